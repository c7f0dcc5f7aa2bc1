//! An agent's token in the query, for SDKs that know no header: the service names the parameter, and it is taken out
//! before anything reads, judges or records the target.

/// Takes every `name=value` out of a raw target and returns the values in order.
pub fn take(target: &mut String, name: &str) -> Vec<String> {
    let Some((path, query)) = target.split_once('?') else {
        return Vec::new();
    };
    let (mut taken, mut kept) = (Vec::new(), Vec::new());
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some((key, value)) if key == name => taken.push(value.to_owned()),
            _ => kept.push(pair),
        }
    }
    if !taken.is_empty() {
        let left = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
        *target = left;
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a21_token_leaves_no_trace_in_the_target() {
        let check = |target: &str, left: &str, values: &[&str]| {
            let mut taken_from = target.to_owned();
            assert_eq!(take(&mut taken_from, "key"), values, "{target}");
            assert_eq!(taken_from, left);
        };
        check("/a/b?key=wl_1&x=2", "/a/b?x=2", &["wl_1"]);
        check("/a/b?x=2&key=wl_1", "/a/b?x=2", &["wl_1"]);
        check("/a/b?key=wl_1", "/a/b", &["wl_1"]);
        check("/a/b?key=1&key=2", "/a/b", &["1", "2"]);
        check("/a/b?keys=1&mykey=2", "/a/b?keys=1&mykey=2", &[]);
        check("/a/b", "/a/b", &[]);
    }
}
