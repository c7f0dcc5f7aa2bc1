//! JSON pointers (RFC 6901), as services, plugins and problems name places by them.

/// Returns the steps of a pointer, unescaped; the empty pointer, which is the whole document, has none.
pub fn steps(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(step)
}

/// Returns one step unescaped: `~1` is `/`, and `~0` is `~` (section 4, in this order).
pub fn step(escaped: &str) -> String {
    escaped.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_unescaped_once() {
        let read = |pointer| steps(pointer).collect::<Vec<_>>();
        assert_eq!(read(""), [""; 0]);
        assert_eq!(read("/"), [""]);
        assert_eq!(read("/a~1b/c~0d/~01"), ["a/b", "c~d", "~1"]);
    }
}
