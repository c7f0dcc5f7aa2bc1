//! What a project is, and what is none.

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        Folder::open(folder.path()).expect("a folder").write_new(name, text.as_bytes()).expect("written");
    }
    folder
}

#[test]
fn project_of_every_language_is_begun_and_recognised() {
    for (language, world) in Language::ALL.into_iter().flat_map(|one| World::ALL.map(|world| (one, world))) {
        let folder = folder(&[]);
        if language == Language::C && world != World::Request {
            let refused = create(folder.path(), "only-mine", language, world).expect_err("no bindings");
            assert!(refused.to_string().contains(world.as_str()), "{refused}");
            continue;
        }
        let begun = create(folder.path(), "only-mine", language, world).expect("begun");
        let project = Project::open(folder.path()).expect("a project");
        assert_eq!(project.language(), language);
        assert_eq!(project.component(), folder.path().join("only-mine.wasm"));
        for file in &begun.files {
            let bytes = Folder::open(folder.path()).expect("a folder").read(file).expect("a file");
            let text = String::from_utf8_lossy(&bytes);
            assert!(
                !["@name@", "@tools@", "@world@", "@place@", "@capabilities@", "@imports@", "@answers@"]
                    .iter()
                    .any(|mark| text.contains(mark)),
                "{file}:\n{text}"
            );
        }
        let text = |file: &str| Folder::open(folder.path()).expect("a folder").read_text(file).expect("a file");
        assert!(text("README.md").contains(&format!("the world `{}`", world.as_str())), "{}", text("README.md"));
        let built = match language {
            Language::Rust => text("src/lib.rs"),
            Language::Js => text("package.json"),
            Language::Python => text("pyproject.toml"),
            Language::C => text("bindings/request_plugin.h").replace('_', "-"),
        };
        assert!(built.contains(world.as_str()), "{built}");
        for file in ["README.md", ".gitignore", "wit/types.wit", language.manifest()] {
            assert!(begun.files.iter().any(|begun| begun == file), "{file}");
        }
        assert!(crate::plugin::cases::read(&folder.path().join("cases")).expect("cases").len() >= 2);
    }
}

#[test]
fn nothing_is_written_over() {
    let folder = folder(&[("notes.txt", "mine")]);
    let refused = create(folder.path(), "only-mine", Language::Rust, World::Request).expect_err("it is not empty");
    assert!(matches!(refused, ProjectError::NotEmpty { .. }), "{refused}");
    let listed = Folder::open(folder.path()).expect("a folder").list("txt").expect("files");
    assert_eq!(listed, ["notes.txt"]);
    assert!(!folder.path().join("Cargo.toml").exists());
}

#[test]
fn name_must_fit_every_toolchain() {
    for name in ["", "Only", "1st", "-a", "a/b", "a\u{1b}b"] {
        let refused = create(Path::new("never-made"), name, Language::Js, World::Request).expect_err(name);
        assert!(matches!(refused, ProjectError::BadName { .. }), "{refused}");
        assert!(!refused.to_string().contains('\u{1b}'));
    }
    assert!(!Path::new("never-made").exists());
}

#[test]
fn folder_that_is_no_project_is_told() {
    let check = |files: &[(&str, &str)], told: &str| {
        let folder = folder(files);
        let error = Project::open(folder.path()).expect_err(told).to_string();
        assert!(error.contains(told), "{error}");
    };
    check(&[], "holds none of Cargo.toml, package.json, pyproject.toml, plugin.toml");
    check(&[("Cargo.toml", ""), ("package.json", "")], "holds Cargo.toml and package.json");
    check(&[("Cargo.toml", "[package]\n")], "`package.name` is missing");
    check(&[("package.json", "{ \"name\": \"@a/b\" }")], "`@a/b` is no name");
    check(
        &[("package.json", "{\n\"name\": \"a\",\n}")],
        "package.json: this is not JSON: trailing comma at line 3",
    );
    check(&[("plugin.toml", "[plugin]\nname = a\n")], "plugin.toml:2: this is not TOML: ");
}
