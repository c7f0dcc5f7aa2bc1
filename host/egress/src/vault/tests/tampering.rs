//! What changes in the file from outside is noticed, and the file shows nothing.

use super::*;
use crate::vault::Purpose;
use crate::vault::spelling::spellings;

const CANARIES: [&str; 7] = [
    "canary-client-secret-common",
    "canary-client-secret-india",
    "1000.canary-refresh-a",
    "1000.canary-refresh-b",
    "1000.canary-refresh-rotated",
    "1000.canary-access-first",
    "1000.canary-access-second",
];

fn filled(home: &Home) -> Vault {
    let vault = home.create();
    vault.add_registration(new_registration("agency")).expect("stored");
    vault.put_grant(new_grant("a", "1000.canary-refresh-a")).expect("stored");
    vault.put_grant(new_grant("b", "1000.canary-refresh-b")).expect("stored");
    let rotated = Some(secret("1000.canary-refresh-rotated").into());
    let token = secret("1000.canary-access-second");
    vault.store_access_token(&grant_name("a"), 1, &token.into(), 99, rotated, None).expect("stored");
    vault
}

fn noticed(sql: &str) {
    let home = Home::new();
    drop(filled(&home));
    home.tamper(sql);
    let error = home.open().expect_err(sql);
    assert!(matches!(error, VaultError::Damaged { .. }), "{sql}: {error}");
}

#[test]
fn no_stored_secret_stands_in_the_file_in_any_spelling() {
    let home = Home::new();
    let vault = filled(&home);
    let while_open = home.bytes();
    drop(vault);
    let key = std::fs::read(home.key()).expect("read");
    for (bytes, when) in [(while_open, "open"), (home.bytes(), "closed")] {
        assert!(bytes.len() > 4096, "{when}");
        for canary in CANARIES.iter().map(|canary| canary.as_bytes()).chain([key.trim_ascii()]) {
            for spelling in spellings(canary) {
                let found = bytes.windows(spelling.len()).any(|window| window == spelling.as_slice());
                assert!(!found, "a secret stands in the {when} database");
            }
        }
    }
}

#[test]
fn rows_that_change_places_are_noticed() {
    noticed(
        "UPDATE records SET id = 'c' WHERE id = 'a'; UPDATE records SET id = 'a' WHERE id = 'b';
         UPDATE records SET id = 'b' WHERE id = 'c'",
    );
    noticed(
        "UPDATE records SET sealed = (SELECT sealed FROM records AS other WHERE other.id = 'b') WHERE id = 'a'",
    );
}

#[test]
fn changed_added_and_removed_rows_are_noticed() {
    noticed("UPDATE records SET generation = generation + 1 WHERE id = 'a'");
    noticed("UPDATE records SET version = 0 WHERE id = 'a'");
    noticed("UPDATE records SET sealed = zeroblob(200) WHERE id = 'a'");
    noticed("DELETE FROM records WHERE id = 'b'");
    noticed(
        "INSERT INTO records SELECT kind, 'c', version, generation, revision, sealed FROM records WHERE id = 'a'",
    );
    noticed("DELETE FROM meta WHERE name = 'head'");
    noticed("UPDATE meta SET value = zeroblob(88) WHERE name = 'head'");
    noticed("UPDATE meta SET value = CAST('{}' AS BLOB) WHERE name = 'lock'");
    noticed("PRAGMA user_version = 0");
}

#[test]
fn a_row_put_back_from_an_earlier_copy_is_noticed() {
    let home = Home::new();
    let vault = filled(&home);
    drop(vault);
    let beside = home.folder.path().join("copy.db").display().to_string();
    home.tamper(&format!(
        "ATTACH '{beside}' AS beside; CREATE TABLE beside.copy AS SELECT * FROM records WHERE id = 'b'"
    ));
    let vault = home.open().expect("opened");
    vault.store_access_token(&grant_name("b"), 2, &secret("1000.another").into(), 7, None, None).expect("stored");
    drop(vault);
    home.tamper(&format!("ATTACH '{beside}' AS beside; INSERT OR REPLACE INTO records SELECT * FROM beside.copy"));
    assert!(matches!(home.open(), Err(VaultError::Damaged { .. })));
}

#[test]
fn a_row_of_another_vault_does_not_open() {
    let (home, other) = (Home::new(), Home::new());
    drop((filled(&home), filled(&other)));
    home.tamper(&format!(
        "ATTACH '{}' AS other; DELETE FROM records; INSERT INTO records SELECT * FROM other.records;
         UPDATE meta SET value = (SELECT value FROM other.meta WHERE name = 'head') WHERE name = 'head'",
        other.db().display()
    ));
    assert!(matches!(home.open(), Err(VaultError::Damaged { .. })));
}

#[test]
fn a_weakened_lock_is_noticed() {
    let home = Home::new();
    drop(create_by_passphrase(&home.state(), "correct horse battery").expect("made"));
    home.tamper(
        r#"UPDATE meta SET value = CAST(replace(CAST(value AS TEXT), '"passes":1', '"passes":2') AS BLOB)"#,
    );
    let open = || Vault::open(&home.state(), &by_passphrase("correct horse battery"));
    assert!(matches!(open(), Err(VaultError::WrongKey { .. })));
    home.tamper(
        r#"UPDATE meta SET value = CAST(replace(CAST(value AS TEXT), '"passes":2', '"passes":99') AS BLOB)"#,
    );
    assert!(matches!(open(), Err(VaultError::Damaged { .. })));
}

#[test]
fn a_file_that_is_no_database_is_damage_and_not_a_fresh_start() {
    let home = Home::new();
    drop(home.create());
    for content in [b"garbage, and enough of it to be no header".repeat(100), Vec::new()] {
        std::fs::write(home.db(), content).expect("written");
        let error = home.open().expect_err("refused");
        assert!(matches!(error, VaultError::Damaged { .. }), "{error}");
    }
}

#[test]
fn purpose_keys_outlive_the_process_and_open_no_row() {
    let home = Home::new();
    let vault = filled(&home);
    let sealed = vault.keys().seal(Purpose::Drafts, b"1", b"content").expect("sealed");
    drop(vault);
    let vault = home.open().expect("opened");
    assert_eq!(vault.keys().open(Purpose::Drafts, b"1", &sealed).expect("opened").as_slice(), b"content");
    assert!(!format!("{vault:?} {:?}", vault.keys()).contains("canary"));
}

/// An index of all rows that was filled for some of them only, and statistics that have it taken.
const HALF_AN_INDEX: &str = "CREATE INDEX i ON records(kind) WHERE kind <> 'operator';
    PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON records(kind)' WHERE name = 'i';
    ANALYZE;
    DELETE FROM sqlite_stat1;
    INSERT INTO sqlite_stat1 VALUES ('records', 'records', '1000000 1000000 1');
    INSERT INTO sqlite_stat1 VALUES ('records', 'i', '1000000 1')";

/// A view in the rows' place, which shows what it likes when it likes.
const A_VIEW: &str = "ALTER TABLE records RENAME TO r;
    CREATE VIEW records AS SELECT * FROM r WHERE kind <> 'operator' OR strftime('%s', 'now') % 10 < 5;
    CREATE TRIGGER i INSTEAD OF INSERT ON records BEGIN
        INSERT OR REPLACE INTO r VALUES (new.kind, new.id, new.version, new.generation, new.revision, new.sealed);
    END;
    CREATE TRIGGER d INSTEAD OF DELETE ON records BEGIN DELETE FROM r WHERE kind = old.kind AND id = old.id; END";

#[test]
fn a_database_that_is_made_otherwise_is_refused() {
    for sql in [
        HALF_AN_INDEX,
        A_VIEW,
        "CREATE TABLE other (a)",
        "CREATE VIEW other AS SELECT * FROM meta",
        "CREATE INDEX other ON records (kind)",
        "CREATE TRIGGER other AFTER INSERT ON records BEGIN DELETE FROM token_calls; END",
        "ANALYZE",
        "DROP INDEX token_calls_of_a_grant",
    ] {
        let home = Home::new();
        drop(filled(&home));
        home.tamper(sql);
        let error = home.open().expect_err(sql);
        assert!(matches!(error, VaultError::OtherSchema), "{sql}: {error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("backup")), "{:?}", error.hint());
        let error = Vault::rekey(&home.state(), &home.by_file(), &by_passphrase("correct horse battery"));
        assert!(matches!(error, Err(VaultError::OtherSchema)), "{sql}: {error:?}");
    }
}
