//! The plugin contract as this executable speaks it, to be written where a toolchain finds it.

use std::path::Path;

use super::folder::{Folder, FolderError};

/// The world that a plugin is built for.
pub const WORLD: &str = "request-plugin";

/// Every file of the contract.
pub const FILES: &[(&str, &str)] = &[
    ("folder.wit", include_str!("../../../wit/folder.wit")),
    ("log.wit", include_str!("../../../wit/log.wit")),
    ("quota.wit", include_str!("../../../wit/quota.wit")),
    ("request-hook.wit", include_str!("../../../wit/request-hook.wit")),
    ("response-hook.wit", include_str!("../../../wit/response-hook.wit")),
    ("settings.wit", include_str!("../../../wit/settings.wit")),
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("worlds.wit", include_str!("../../../wit/worlds.wit")),
];

/// Writes the contract into a folder, which is made where it is not there. Files of the contract are replaced; others
/// stay.
pub fn write(path: &Path) -> Result<(), FolderError> {
    let folder = Folder::make(path)?;
    FILES.iter().try_for_each(|(name, text)| folder.write(name, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_in_the_executable_is_that_of_the_checkout() {
        let checkout = Folder::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).expect("a folder");
        let files = checkout.list("wit").expect("files");
        let embedded: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(files, embedded, "every file of wit/ is a line of FILES");
        for (name, text) in FILES {
            assert_eq!(checkout.read_text(name).expect("text"), *text, "{name}");
        }
    }
}
