//! Reads commands and links out of the documentation, for the tests that keep it true.

use std::path::Path;

/// Returns the root of the checkout.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns every `wardlock …` command of a Markdown text's code blocks, as words without the program's name. Pipes,
/// redirections, comments and quotes are taken off.
pub fn commands(markdown: &str) -> Vec<Vec<String>> {
    code_lines(markdown)
        .filter_map(|line| {
            let line = line.trim_start_matches("$ ").split(" #").next().unwrap_or_default();
            let command = line.split('|').map(str::trim).find_map(|part| {
                part.strip_prefix("wardlock ").or_else(|| part.strip_prefix("cargo run --release -- "))
            })?;
            let words = command
                .split_whitespace()
                .take_while(|word| !word.starts_with(['<', '>']) && !word.starts_with("2>"));
            Some(words.map(|word| word.trim_matches(['\'', '"']).to_owned()).collect())
        })
        .collect()
}

/// Returns the target of every link of a Markdown text that is a path within the checkout, without its fragment.
pub fn links(markdown: &str) -> Vec<&str> {
    let targets = markdown.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with(['#', '<']))
        .map(|target| target.split('#').next().unwrap_or(target))
        .collect()
}

/// Returns the lines of fenced code blocks; a line that ends with a backslash goes on in the next.
fn code_lines(markdown: &str) -> impl Iterator<Item = String> {
    let mut lines = Vec::new();
    let (mut inside, mut unfinished) = (false, String::new());
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
            continue;
        }
        if !inside {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(part) => unfinished.push_str(part),
            None => lines.push(std::mem::take(&mut unfinished) + line),
        }
    }
    lines.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_in_code_blocks_only() {
        let text = "run `wardlock no`:\n```sh\n$ wardlock init # makes\nfoo | wardlock agent \\\n  add 'x' > file\n\
                    cargo run --release -- demo\ncurl x\n```\nwardlock no\n";
        assert_eq!(commands(text), [vec!["init"], vec!["agent", "add", "x"], vec!["demo"]]);
    }

    #[test]
    fn links_within_the_checkout_are_found() {
        let text = "[a](docs/x.md#part) [b](https://example.com) [c](#here) ![d](e.svg)";
        assert_eq!(links(text), ["docs/x.md", "e.svg"]);
    }
}
