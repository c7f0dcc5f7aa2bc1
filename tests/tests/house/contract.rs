//! The published contract does not change: `wit/` may grow beside what `wit/v0.1/` holds, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use wardlock_tests::docs::root;

#[test]
fn contract_0_1_is_as_it_was_published() {
    let (frozen, newest) = (contract(&root().join("wit/v0.1")), contract(&root().join("wit")));
    assert!(frozen.len() >= 7, "the frozen contract is there: {:?}", frozen.keys());
    assert_eq!(changes(&frozen, &newest), Vec::<String>::new());
}

#[test]
fn a_change_of_what_was_published_is_found() {
    let published = contract_of(&[
        ("quota", "package p@0.1.0;\ninterface quota { take: func(key: string) -> u32; }"),
        ("worlds", "package p@0.1.0;\nworld a { import quota; }\nworld b { import quota; }"),
    ]);
    let found = |files: &[(&str, &str)]| changes(&published, &contract_of(files)).join("; ");
    let worlds = (
        "worlds",
        "package p@0.1.0;\nworld a { import quota; }\n\n/// New.\nworld c {}\nworld b {\n  import quota;\n}",
    );
    let quota =
        "package p@0.1.3;\n// Clearer.\ninterface quota {\n  /// Takes.\n  take: func(key: string) -> u32;\n}";
    assert_eq!(found(&[("quota", quota), worlds, ("folder", "package p@0.1.3;\ninterface folder {}")]), "");
    assert_eq!(found(&[worlds]), "quota is gone");
    let other = quota.replace("u32", "u64");
    assert!(found(&[("quota", &other), worlds]).starts_with("quota was"));
    let more = quota.replace("u32;\n}", "u32;\n  give: func();\n}");
    assert!(found(&[("quota", &more), worlds]).starts_with("quota was"), "a member more is a change, too");
    let widened =
        ("worlds", "package p@0.1.0;\nworld a { import quota; export more; }\nworld b { import quota; }");
    assert!(found(&[("quota", quota), widened]).starts_with("worlds: `world a"));
}

/// A contract's files by name, without comments and with single spaces.
type Contract = BTreeMap<String, String>;

fn contract(folder: &Path) -> Contract {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = entries.map(|entry| entry.expect("an entry").path());
    let texts = files.filter(|path| path.extension().is_some_and(|end| end == "wit")).map(|path| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (name, plain(&text))
    });
    texts.collect()
}

fn contract_of(files: &[(&str, &str)]) -> Contract {
    files.iter().map(|(name, text)| ((*name).to_owned(), plain(text))).collect()
}

/// Drops comments, white space that means nothing, and which 0.1.x it is.
fn plain(text: &str) -> String {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = code.filter(|line| !line.trim_start().starts_with("package "));
    let words: Vec<String> =
        code.flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    words.join(" ")
}

/// Says what of a published contract is not as it was: interfaces word by word, worlds each for itself.
fn changes(published: &Contract, newest: &Contract) -> Vec<String> {
    let mut changes = Vec::new();
    for (name, was) in published {
        match newest.get(name) {
            None => changes.push(format!("{name} is gone")),
            Some(is) if name == "worlds" => {
                let missing = worlds(was).into_iter().filter(|world| !worlds(is).contains(world));
                changes.extend(missing.map(|world| format!("worlds: `{world}` is not there as it was")));
            }
            Some(is) if is != was => changes.push(format!("{name} was `{was}` and is `{is}`")),
            Some(_) => {}
        }
    }
    changes
}

fn worlds(text: &str) -> Vec<String> {
    text.split_inclusive('}').map(|world| world.trim().to_owned()).filter(|world| !world.is_empty()).collect()
}
