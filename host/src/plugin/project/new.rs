//! Begins a project: the template of a language with its name put in, and the contract.

use std::path::Path;

use super::{Language, Project, ProjectError, World, checked};
use crate::plugin::folder::Folder;
use crate::plugin::wit;

/// A file of a template: where it goes, and its text, in which `@name@` is the plugin's name.
type File = (&'static str, &'static str);

/// What projects of every language have.
const COMMON: &[File] = &[
    ("README.md", include_str!("../../../templates/plugin/common/README.md")),
    ("cases/read-passes.toml", include_str!("../../../templates/plugin/common/cases/read-passes.toml")),
    ("cases/write-is-refused.toml", include_str!("../../../templates/plugin/common/cases/write-is-refused.toml")),
    (
        "cases/allowed-write-passes.toml",
        include_str!("../../../templates/plugin/common/cases/allowed-write-passes.toml"),
    ),
];

const SCHEMA: File = ("schema.json", include_str!("../../../templates/plugin/common/schema.json"));

const RUST: &[File] = &[
    ("Cargo.toml", include_str!("../../../templates/plugin/rust/Cargo.toml.in")),
    // Versions that are known to work together.
    ("Cargo.lock", include_str!("../../../templates/plugin/rust/Cargo.lock.in")),
    ("src/lib.rs", include_str!("../../../templates/plugin/rust/lib.rs")),
    SCHEMA,
    (".gitignore", include_str!("../../../templates/plugin/rust/gitignore")),
];

const JS: &[File] = &[
    ("package.json", include_str!("../../../templates/plugin/js/package.json.in")),
    ("policy.js", include_str!("../../../templates/plugin/js/policy.js")),
    // The toolchain reads every import as JavaScript.
    ("schema.js", include_str!("../../../templates/plugin/js/schema.js")),
    (".gitignore", include_str!("../../../templates/plugin/js/gitignore")),
];

const PYTHON: &[File] = &[
    ("pyproject.toml", include_str!("../../../templates/plugin/python/pyproject.toml")),
    ("requirements.txt", include_str!("../../../templates/plugin/python/requirements.txt")),
    ("app.py", include_str!("../../../templates/plugin/python/app.py")),
    SCHEMA,
    (".gitignore", include_str!("../../../templates/plugin/python/gitignore")),
];

const C: &[File] = &[
    ("plugin.toml", include_str!("../../../templates/plugin/c/plugin.toml")),
    ("policy.c", include_str!("../../../templates/plugin/c/policy.c")),
    SCHEMA,
    (".gitignore", include_str!("../../../templates/plugin/c/gitignore")),
    ("bindings/request_plugin.c", include_str!("../../../../plugins/polyglot/c/bindings/request_plugin.c")),
    ("bindings/request_plugin.h", include_str!("../../../../plugins/polyglot/c/bindings/request_plugin.h")),
];

/// What a policy in Python imports to judge answers, too.
const PYTHON_IMPORTS: &str =
    "from wit_world.exports.response_hook import Response, ResponseAnswer, ResponseVerdict_Pass\n";

/// What of C's bindings is no text: the type of the world.
const C_TYPE: (&str, &[u8]) = (
    "bindings/request_plugin_component_type.o",
    include_bytes!("../../../../plugins/polyglot/c/bindings/request_plugin_component_type.o"),
);

/// What the README says of a language, beside what is the same everywhere.
struct Words {
    language: &'static str,
    source: &'static str,
    schema: &'static str,
    /// Where its world stands, and how it becomes another.
    place: &'static str,
    /// How to get the toolchain, as a shell takes it.
    tools: &'static str,
    /// What to know of the language here: paragraphs, each with an empty line behind it.
    remarks: &'static str,
}

fn template(language: Language) -> (&'static [File], Words) {
    match language {
        Language::Rust => (
            RUST,
            Words {
                language: "Rust",
                source: "src/lib.rs",
                schema: "schema.json",
                place: "`world` in `src/lib.rs` says so",
                tools: "rustup target add wasm32-wasip2           # once",
                remarks: "",
            },
        ),
        Language::Js => (
            JS,
            Words {
                language: "JavaScript",
                source: "policy.js",
                schema: "schema.js",
                place: "`--world-name` in `package.json` says so",
                tools: "npm install                               # once",
                remarks: include_str!("../../../templates/plugin/js/remarks.md"),
            },
        ),
        Language::Python => (
            PYTHON,
            Words {
                language: "Python",
                source: "app.py",
                schema: "schema.json",
                place: "`world` in `pyproject.toml` says so",
                tools: "python3 -m venv .venv                     # once\n.venv/bin/pip install -r requirements.txt # once",
                remarks: include_str!("../../../templates/plugin/python/remarks.md"),
            },
        ),
        Language::C => (
            C,
            Words {
                language: "C",
                source: "policy.c",
                schema: "schema.json",
                place: "`bindings/` is made for it; what `wit-bindgen c wit --world quota-plugin --out-dir bindings` makes takes the place \
                        of all that stands there, and `policy.c` calls it by the other name",
                tools: "sudo apt-get install clang lld wasi-libc libclang-rt-dev-wasm32 # once\n\
                        rustup toolchain install stable           # once: Rust brings wasm-component-ld",
                remarks: "",
            },
        ),
    }
}

/// A project that was begun.
#[derive(Debug)]
pub struct NewProject {
    /// Its files, beneath its folder.
    pub files: Vec<String>,
    /// The commands that make its toolchain ready.
    pub tools: Vec<String>,
}

/// Begins a project in a folder that is new or empty.
pub fn create(path: &Path, name: &str, language: Language, world: World) -> Result<NewProject, ProjectError> {
    let name = checked(name)?;
    if language == Language::C && world != World::default() {
        return Err(ProjectError::NoBindings { world: world.as_str() });
    }
    let folder = Folder::make(path)?;
    if !folder.is_empty()? {
        return Err(ProjectError::NotEmpty { folder: path.to_owned() });
    }
    let (own, words) = template(language);
    let mut files = Vec::new();
    for (file, text) in own.iter().chain(COMMON) {
        let text = text
            .replace("@name@", &name)
            .replace("@language@", words.language)
            .replace("@source@", words.source)
            .replace("@schema@", words.schema)
            .replace("@world@", world.as_str())
            .replace("@place@", words.place)
            .replace("@capabilities@", &world.capabilities(language))
            .replace("@imports@\n", if world == World::Full { PYTHON_IMPORTS } else { "" })
            .replace("@answers@\n", world.on_answers(language))
            .replace("@remarks@\n", words.remarks)
            .replace("@tools@", words.tools);
        folder.write_new(file, text.as_bytes())?;
        files.push((*file).to_owned());
    }
    if language == Language::C {
        let (file, bytes) = C_TYPE;
        folder.write_new(file, bytes)?;
        files.push(file.to_owned());
    }
    for (file, text) in wit::FILES {
        let file = format!("wit/{file}");
        folder.write_new(&file, text.as_bytes())?;
        files.push(file);
    }
    let tools = words.tools.lines().map(|line| line.split('#').next().unwrap_or(line).trim().to_owned()).collect();
    // What is written is what `plugin build` takes.
    Project::open(path)?;
    Ok(NewProject { files, tools })
}
