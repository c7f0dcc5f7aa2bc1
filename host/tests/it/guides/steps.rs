//! A guide's steps, read off its Markdown.

use std::path::Path;

/// Something that a guide tells to do, or shows.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A file of the home; the sentence before it says which.
    File { name: String, text: String },
    /// Commands for a shell.
    Commands(String),
    /// Lines that the commands before it print, among others.
    Shows(Vec<String>),
}

impl Step {
    /// Returns the commands, if it is some.
    pub fn commands(self) -> Option<String> {
        match self {
            Step::Commands(commands) => Some(commands),
            Step::File { .. } | Step::Shows(_) => None,
        }
    }
}

/// Returns a guide's steps in order. A block that is none of these fails.
pub fn steps(markdown: &str) -> Vec<Step> {
    let (mut steps, mut paragraph, mut ended) = (Vec::new(), String::new(), false);
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect();
            steps.push(step(kind, text, &paragraph));
        } else if line.is_empty() {
            ended = true;
        } else {
            if ended {
                paragraph.clear();
            }
            ended = false;
            paragraph.push_str(line);
        }
    }
    steps
}

fn step(kind: &str, text: String, paragraph: &str) -> Step {
    match kind {
        "sh" => Step::Commands(text),
        "text" => Step::Shows(text.lines().map(str::to_owned).collect()),
        "toml" => {
            let mut words = paragraph.split('`').skip(1).step_by(2);
            let name = words.find(|word| Path::new(word).extension().is_some_and(|end| end == "toml"));
            let name = name.unwrap_or_else(|| panic!("no file is named in {paragraph:?}")).to_owned();
            Step::File { name, text }
        }
        other => panic!("what is a block of `{other}`?"),
    }
}

/// Returns the parts of a guide with their titles; the first is what stands before any.
pub fn sections(markdown: &str) -> Vec<(String, String)> {
    let parts = markdown.split("\n## ").enumerate();
    parts
        .map(|(place, part)| match part.split_once('\n') {
            Some((title, text)) if place > 0 => (title.to_owned(), text.to_owned()),
            _ => (String::new(), part.to_owned()),
        })
        .collect()
}

#[test]
fn steps_are_told_apart() {
    let text = "Not `a.toml`.\n\nThis is `x/b.toml`,\nwhole:\n\n```toml\na = 1\n\nb = 2\n```\n\n```sh\nls\n```\n\nIt says\n\n```text\nc\nd\n```\n";
    let file = Step::File { name: "x/b.toml".to_owned(), text: "a = 1\n\nb = 2\n".to_owned() };
    let shows = Step::Shows(vec!["c".to_owned(), "d".to_owned()]);
    assert_eq!(steps(text), [file, Step::Commands("ls\n".to_owned()), shows]);
}
