//! How deep components stand in one another, read off the sections' headers before the compiler sees them: its time
//! grows with the square of the depth, and a megabyte can hold a hundred thousand.

/// The deepest that is compiled. What toolchains make is two or three deep.
pub(crate) const DEEPEST: usize = 16;
/// The section of a component that holds another.
const COMPONENT: u8 = 4;
/// What stands before the first section: magic, version and layer.
const PREAMBLE: usize = 8;

/// Returns whether components stand in this one deeper than [`DEEPEST`]. Of bytes that are no component it says
/// nothing: the compiler does.
pub(crate) fn is_too_deep(component: &[u8]) -> bool {
    is_deeper(component, DEEPEST)
}

fn is_deeper(component: &[u8], left: usize) -> bool {
    let mut rest = component.get(PREAMBLE..).unwrap_or_default();
    while let Some((section, content, next)) = first_section(rest) {
        if section == COMPONENT && (left == 0 || is_deeper(content, left - 1)) {
            return true;
        }
        rest = next;
    }
    false
}

/// Returns a section's number, its content, and what stands behind it.
fn first_section(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&section, rest) = bytes.split_first()?;
    // LEB128: seven bits a byte, the lowest first; the size has 32.
    let mut size = 0_u64;
    for (at, &byte) in rest.iter().enumerate().take(5) {
        size |= u64::from(byte & 127) << (7 * at);
        if byte < 128 {
            let (content, next) = rest.get(at + 1..)?.split_at_checked(usize::try_from(size).ok()?)?;
            return Some((section, content, next));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_toolchains_make_is_not_too_deep_and_more_is() {
        let nested = |depth: usize| {
            let text = "(component ".repeat(depth + 1) + &")".repeat(depth + 1);
            wat::parse_str(text).expect("a component")
        };
        assert!(!is_too_deep(&nested(0)) && !is_too_deep(&nested(DEEPEST)));
        assert!(is_too_deep(&nested(DEEPEST + 1)));
        for bytes in
            [b"".as_slice(), b"\0asm", b"\0asm\x0d\0\x01\0\x04", b"\0asm\x0d\0\x01\0\x04\xff\xff\xff\xff\x0f"]
        {
            assert!(!is_too_deep(bytes), "{bytes:?}");
        }
    }
}
