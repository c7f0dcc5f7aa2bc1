//! JSON pointers (RFC 6901), as services, plugins and problems name places by them.

/// Returns the steps of a pointer, unescaped; the empty pointer, which is the whole document, has none.
pub fn steps(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(step)
}

/// Returns one step unescaped: `~1` is `/`, and `~0` is `~` (section 4, in this order).
pub fn step(escaped: &str) -> String {
    escaped.replace("~1", "/").replace("~0", "~")
}

/// Returns whether a text is a pointer at all (section 3): nothing, or steps that each begin with `/`, with `~` in `~0` and `~1` only.
pub fn is_pointer(text: &str) -> bool {
    let is_escaped = |rest: &str| rest.starts_with(['0', '1']);
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(is_escaped)
}

/// Returns whether a step is a number as no list has it: places in lists have no leading zeros (section 4).
pub fn is_odd_index(step: &str) -> bool {
    step.len() > 1 && step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit())
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

    #[test]
    fn what_is_no_pointer_is_told_from_one() {
        for text in ["", "/", "/data/0", "/a~1b/~0", "/~01", "/data/00", "/é~0"] {
            assert!(is_pointer(text), "{text}");
        }
        for text in ["data/0", "/data/~2", "/data/~", "/~~0", "~0", "/~é"] {
            assert!(!is_pointer(text), "{text}");
        }
        assert!(["00", "01", "0010"].into_iter().all(is_odd_index));
        assert!(!["", "0", "10", "0a", "-", "*"].into_iter().any(is_odd_index));
    }
}
