//! Backups of the whole home by the executable: consistent under load, restorable elsewhere, and believed in nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};
use wardlock::admin::Command;
use wardlock_audit::Filter;
use wardlock_egress::vault::{Recipients, Role};
use wardlock_tests::canary::Canaries;
use wardlock_tests::home::Output;

use crate::copies::{PHRASE, RECIPIENT, Second, act, damaged, identity, no_leftovers, run, stranger};
use crate::signed::{Operator, add, signed};
use crate::world::{Plan, World};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
const MANIFEST: &str = r#"{"made_ms":1,"wardlock":"0.1.0"}"#;

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

async fn restore(
    canaries: &Canaries,
    home: &Path,
    file: &Path,
    identity: &str,
    more: &[&str],
    stdin: &str,
) -> Output {
    let args = [&["backup", "restore", text(file), "--identity", identity], more].concat();
    run(canaries, home, &args, stdin).await
}

/// Every file and folder of a home is closed to others.
fn all_private(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let metadata = fs::symlink_metadata(&path).expect("metadata");
        let wanted = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, wanted, "{}", path.display());
        if metadata.is_dir() {
            all_private(&path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn backup_taken_while_requests_run_is_a_whole_home_elsewhere() {
    let world = World::start(Plan::default()).await;
    let (folder, home) = (world.folder().to_owned(), world.folder().join("home"));
    let (file, third) = (folder.join("home.age"), folder.join("third"));
    std::os::unix::fs::symlink("/etc/passwd", home.join("plugins/link.wasm")).expect("a link");
    let requests = async {
        for _ in 0..40 {
            assert_eq!(world.get(LEADS).await.status, 200);
        }
    };
    let create = ["backup", "create", text(&file), "--recipient", RECIPIENT];
    let (created, ()) = tokio::join!(run(&world.canaries, &home, &create, ""), requests);
    let told = created.ok().expect("made while it serves").json().expect("json");
    assert_eq!(told["left_out"], serde_json::json!(["plugins/link.wasm"]), "{told}");
    assert!(act(&world.host, "backup.create").ends_with(&format!("files, for {RECIPIENT}")));
    no_leftovers(&home.join("state"));
    no_leftovers(&folder);
    let written = fs::read(&file).expect("a file");
    world.canaries.scan("the backup", &written).expect("no canary");
    assert_eq!(fs::metadata(&file).expect("metadata").permissions().mode() & 0o777, 0o600);
    assert_eq!(run(&world.canaries, &home, &create, "").await.code, Some(1), "never over another file");

    let by = identity(&folder);
    let restored = restore(&world.canaries, &third, &file, &by, &[], "").await.ok().expect("restored");
    let told = restored.json().expect("json");
    assert_eq!((&told["audit"]["holds"], &told["grants"][0]), (&true.into(), &"acme-zoho".into()), "{told}");
    assert!(told["warning"].as_str().is_some_and(|text| text.contains("two Wardlocks")), "{told}");
    all_private(&third);
    for name in ["wardlock.toml", "workspaces/acme.toml", "plugins/read-only.wasm"] {
        assert_eq!(fs::read(third.join(name)).expect(name), fs::read(home.join(name)).expect(name), "{name}");
    }
    let key = |home: &Path| fs::read(home.join("state/vault.key")).expect("a key");
    assert_ne!(key(&third), key(&home), "the key of before is not in a backup");
    let before = fs::read(third.join("state/vault.db")).expect("a vault");
    let again = restore(&world.canaries, &third, &file, &by, &[], "").await;
    assert_eq!(again.code, Some(3), "never over a home: {again:?}");
    assert_eq!(fs::read(third.join("state/vault.db")).expect("a vault"), before);

    let second = Second::serve(&world, &third).await;
    assert_eq!(second.leads(&world).await, 200, "the restored login works");
    let verified = run(&world.canaries, &third, &["audit", "verify"], "").await.ok().expect("sound");
    assert_eq!(verified.json().expect("json")["ok"], true);
    assert!(act(&second.host, "backup.restore").starts_with("a backup of "));
    let agents =
        run(&world.canaries, &third, &["agent", "list"], "").await.ok().expect("agents").json().expect("json");
    assert_eq!((&agents[0]["agent"], &agents[0]["counts"]), (&"agent-acme".into(), &true.into()), "{agents}");
    second.end(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_backup_restores_nothing() {
    let world = World::start(Plan::default()).await;
    let (folder, home) = (world.folder().to_owned(), world.folder().join("home"));
    let (file, target) = (folder.join("home.age"), folder.join("target"));
    let create = ["backup", "create", text(&file), "--recipient", RECIPIENT];
    run(&world.canaries, &home, &create, "").await.ok().expect("made");
    let (good, bad) = (identity(&folder), stranger(&folder));
    let refused = restore(&world.canaries, &target, &file, &bad, &[], "").await;
    assert!(refused.code == Some(1) && refused.stderr.contains("other recipients"), "{refused:?}");
    assert!(!target.exists());
    let written = fs::read(&file).expect("a file");
    for (what, bytes, said) in damaged(&written) {
        let path = folder.join(what);
        fs::write(&path, bytes).expect("written");
        let refused = restore(&world.canaries, &target, &path, &good, &[], "").await;
        assert!(matches!(refused.code, Some(1 | 2)) && refused.stderr.contains(said), "{what}: {refused:?}");
        assert!(!target.exists(), "{what}: something was restored");
    }
    // Cut where a piece of the encryption ends, so that only the missing end can tell.
    let path = folder.join("pieces.age");
    let header = written.windows(4).position(|four| four == b"\n---").expect("a header") + 49;
    let pieces = header + 16 + 3 * (64 * 1024 + 16);
    fs::write(&path, &written[..pieces]).expect("written");
    let refused = restore(&world.canaries, &target, &path, &good, &[], "").await;
    assert!(refused.code == Some(1) && refused.stderr.contains("cut off"), "{refused:?}");
    assert!(!target.exists());
    let export = folder.join("vault.age");
    run(&world.canaries, &home, &["vault", "export", text(&export), "--recipient", RECIPIENT], "")
        .await
        .ok()
        .expect("exported");
    let refused = restore(&world.canaries, &target, &export, &good, &[], "").await;
    assert!(refused.code == Some(2) && refused.stderr.contains("vault import"), "{refused:?}");
    fs::create_dir(&target).expect("made");
    fs::write(target.join("notes.txt"), "mine").expect("written");
    let refused = restore(&world.canaries, &target, &file, &good, &[], "").await;
    assert!(refused.code == Some(3) && refused.stderr.contains("not empty"), "{refused:?}");
    assert_eq!(fs::read_to_string(target.join("notes.txt")).expect("read"), "mine");
    assert_eq!(fs::read_dir(&target).expect("a folder").count(), 1);
    world.end().await;
}

/// An entry of an archive that nobody's Wardlock makes; the name is written as it is.
fn entry(archive: &mut Builder<impl std::io::Write>, kind: EntryType, name: &str, size: u64, content: &[u8]) {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o4777);
    header.set_size(size);
    if kind.is_symlink() || kind.is_hard_link() {
        header.set_link_name("/etc/passwd").expect("a link");
    }
    header.set_cksum();
    archive.append(&header, content).expect("written");
}

fn hostile(path: &Path, fill: impl FnOnce(&mut Builder<&mut dyn std::io::Write>)) {
    let recipients = Recipients::keys(&[RECIPIENT.to_owned()]).expect("a recipient");
    let mut sealing = recipients.seal_backup(Vec::new()).expect("begun");
    let mut archive = Builder::new(&mut sealing as &mut dyn std::io::Write);
    fill(&mut archive);
    archive.into_inner().expect("written").flush().expect("written");
    fs::write(path, sealing.finish().expect("written")).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn archive_of_somebody_who_knows_the_recipient_writes_nothing_outside_the_home() {
    let folder = tempfile::tempdir().expect("a folder");
    let canaries = Canaries::new();
    let by = identity(folder.path());
    let (file, target) = (folder.path().join("hostile.age"), folder.path().join("deep/target"));
    let regular = EntryType::Regular;
    let cases: [(EntryType, &str, u64, &str); 14] = [
        (regular, "../escaped", 1, "no place in a home"),
        (regular, "workspaces/../../escaped", 1, "plain file name"),
        (regular, "plugins/./x.wasm", 1, "plain file name"),
        (regular, "plugins//x.wasm", 1, "plain file name"),
        (regular, "plugins/.hidden", 1, "plain file name"),
        (regular, "/tmp/escaped", 1, "no place in a home"),
        (regular, "state/vault.key", 1, "no place in a home"),
        (regular, "state/lock", 1, "no place in a home"),
        (regular, "workspaces/big.toml", 1 << 40, "are the most"),
        (regular, "state/audit.db", 1 << 40, "are the most"),
        (EntryType::Symlink, "plugins/link.wasm", 0, "no ordinary file"),
        (EntryType::Link, "plugins/link.wasm", 0, "no ordinary file"),
        (EntryType::XHeader, "plugins/x", 1, "no ordinary file"),
        (EntryType::Directory, "plugins/folder", 0, "no ordinary file"),
    ];
    for (kind, name, size, said) in cases {
        hostile(&file, |archive| {
            entry(archive, regular, "backup.json", MANIFEST.len() as u64, MANIFEST.as_bytes());
            entry(archive, regular, "plugins/first.wasm", 1, b"x");
            entry(archive, kind, name, size, &b"x"[..usize::from(size > 0)]);
        });
        let refused = restore(&canaries, &target, &file, &by, &[], "").await;
        assert!(refused.code == Some(1) && refused.stderr.contains(said), "{kind:?} {name}: {refused:?}");
        assert!(!target.exists() && !folder.path().join("escaped").exists(), "{kind:?} {name}");
        assert!(!folder.path().join("deep/escaped").exists(), "{kind:?} {name}");
    }
    hostile(&file, |archive| {
        entry(archive, regular, "backup.json", MANIFEST.len() as u64, MANIFEST.as_bytes());
        for _ in 0..2 {
            entry(archive, regular, "plugins/twice.wasm", 1, b"x");
        }
    });
    let refused = restore(&canaries, &target, &file, &by, &[], "").await;
    assert!(refused.code == Some(1) && refused.stderr.contains("occurs twice"), "{refused:?}");
    hostile(&file, |archive| entry(archive, regular, "wardlock.toml", 0, b""));
    let refused = restore(&canaries, &target, &file, &by, &[], "").await;
    assert!(refused.code == Some(1) && refused.stderr.contains("begin with"), "{refused:?}");
    assert!(!target.exists());
}

/// Makes a home with a registration, which is all that needs no provider.
async fn small_home(canaries: &Canaries, home: &Path, init: &[&str]) {
    let secret = canaries.token("client secret");
    run(canaries, home, &[&["init"], init].concat(), "").await.ok().expect("a home");
    let add = ["registration", "add", "zoho", "--service", "zoho-crm", "--client-id", "1000.A", "--secret-stdin"];
    run(canaries, home, &add, &secret).await.ok().expect("registered");
}

#[tokio::test(flavor = "multi_thread")]
async fn home_made_with_a_recovery_recipient_is_restored_by_its_holder_with_another_kind_of_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let canaries = Canaries::new();
    let (home, file, target) =
        (folder.path().join("home"), folder.path().join("b.age"), folder.path().join("new"));
    let refused = run(&canaries, &home, &["init", "--recovery", "age1nobody"], "").await;
    assert!(refused.code == Some(2) && !home.exists(), "{refused:?}");
    small_home(&canaries, &home, &["--recovery", RECIPIENT]).await;
    let config = fs::read_to_string(home.join("wardlock.toml")).expect("a file");
    assert!(config.contains(&format!("[\"{RECIPIENT}\"]")), "{config}");
    run(&canaries, &home, &["backup", "create", text(&file)], "").await.ok().expect("made without a question");
    let by = identity(folder.path());
    canaries.watch("passphrase", PHRASE.as_bytes());
    let more = ["--key", "passphrase", "--passphrase-fd", "0"];
    let restored = restore(&canaries, &target, &file, &by, &more, PHRASE).await.ok().expect("restored");
    let told = restored.json().expect("json");
    assert!(told["write"].as_str().is_some_and(|line| line.contains("key = \"passphrase\"")), "{told}");
    assert!(!target.join("state/vault.key").exists());
    let path = target.join("wardlock.toml");
    let config = config.replace("# key = \"file\"", "key = \"passphrase\"");
    fs::write(path, config).expect("written");
    let list = ["--passphrase-fd", "0", "registration", "list"];
    let shown = run(&canaries, &target, &list, PHRASE).await.ok().expect("the new key opens it");
    assert!(shown.stdout.contains("zoho"), "{shown:?}");
    canaries.scan_folder(folder.path(), &[]).expect("no canary in a home or a backup");
}

#[tokio::test(flavor = "multi_thread")]
async fn passphrase_backup_opens_by_the_same_passphrase_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let canaries = Canaries::new();
    let (home, file, target) =
        (folder.path().join("home"), folder.path().join("b.age"), folder.path().join("new"));
    small_home(&canaries, &home, &[]).await;
    canaries.watch("passphrase", PHRASE.as_bytes());
    let create = ["backup", "create", text(&file), "--backup-passphrase-fd", "0"];
    run(&canaries, &home, &create, PHRASE).await.ok().expect("made");
    let restore = ["backup", "restore", text(&file), "--backup-passphrase-fd", "0"];
    let wrong = run(&canaries, &target, &restore, "another long passphrase").await;
    assert!(wrong.code == Some(1) && !target.exists(), "{wrong:?}");
    run(&canaries, &target, &restore, PHRASE).await.ok().expect("restored");
    let shown = run(&canaries, &target, &["registration", "list"], "").await.ok().expect("it opens");
    assert!(shown.stdout.contains("zoho"), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn older_backup_beside_a_newer_key_is_restored_on_purpose_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let canaries = Canaries::new();
    let (home, file): (PathBuf, PathBuf) = (folder.path().join("home"), folder.path().join("b.age"));
    let by = identity(folder.path());
    small_home(&canaries, &home, &["--recovery", RECIPIENT]).await;
    // The key, and with it the revision, stands on a volume of its own that outlives the home.
    let keys = folder.path().join("keys");
    fs::create_dir(&keys).expect("made");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o700)).expect("closed");
    for name in ["vault.key", "vault.revision"] {
        fs::rename(home.join("state").join(name), keys.join(name)).expect("moved");
    }
    let config = fs::read_to_string(home.join("wardlock.toml")).expect("a file");
    let line = format!("path = \"{}\"", text(&keys.join("vault.key")));
    fs::write(home.join("wardlock.toml"), config.replace("# path = \"state/vault.key\"", &line)).expect("written");
    run(&canaries, &home, &["backup", "create", text(&file)], "").await.ok().expect("made");
    let secret = canaries.token("later secret");
    let add = ["registration", "add", "later", "--service", "zoho-crm", "--client-id", "1000.B", "--secret-stdin"];
    run(&canaries, &home, &add, &secret).await.ok().expect("the vault goes on");
    fs::remove_dir_all(&home).expect("lost");
    let key = keys.join("vault.key");
    for wrong in [&[][..], &["--key-path", text(&home)]] {
        let refused = restore(&canaries, &home, &file, &by, wrong, "").await;
        let told = refused.stderr.contains("outside the home") && refused.stderr.contains(text(&key));
        assert!(
            refused.code == Some(2) && told,
            "where a backup would write is named by a person, too: {refused:?}"
        );
    }
    let there = ["--key-path", text(&key)];
    let refused = restore(&canaries, &home, &file, &by, &there, "").await;
    assert!(refused.code == Some(3) && refused.stderr.contains("--accept-older"), "{refused:?}");
    assert!(!home.exists());
    let older = ["--key-path", text(&key), "--accept-older"];
    let restored = restore(&canaries, &home, &file, &by, &older, "").await.ok().expect("restored");
    assert_eq!(restored.json().expect("json")["key"], "the one that is there already");
    let shown =
        run(&canaries, &home, &["registration", "list"], "").await.ok().expect("it opens, and is the newest");
    assert!(shown.stdout.contains("zoho") && !shown.stdout.contains("later"), "{shown:?}");
}

/// Somebody whom nobody here knows.
const OTHER: &str = "age1pyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq8r66x";

/// What came of the newest act of that kind.
fn newest(world: &World, what: &str) -> String {
    let rows = world.host.audit().list(&Filter::newest(1000)).expect("rows");
    let mut acts = rows.into_iter().filter_map(|row| row.detail.act);
    acts.rfind(|act| act.what == what).expect("an act").result
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stands_in_a_file_can_restore_a_backup_once_an_admin_has_named_them() {
    let world = World::start(Plan::default()).await;
    let ada = Operator::new("ada", 1);
    let create = |named: &[&str], configured: &[&str]| {
        let [recipients, configured] =
            [named, configured].map(|words| words.iter().map(|word| (*word).to_owned()).collect());
        Command::BackupCreate { recipients, configured }
    };
    world.command(create(&[], &[RECIPIENT])).await.expect("nobody has a key, so the file is enough");
    world.command(add(&ada, Role::Admin)).await.expect("added");
    let refused = async |named: &[&str], configured: &[&str]| {
        signed(&world, &ada, create(named, configured)).await.expect_err("refused").message
    };
    let new = |word: &str| format!("wardlock.toml names who could restore this backup, and no admin has: {word}");
    assert_eq!(refused(&[], &[RECIPIENT]).await, new(RECIPIENT), "it did not stand in the settings of the start");
    assert!(world.command(create(&[RECIPIENT], &[RECIPIENT])).await.is_err(), "unsigned");
    let made = signed(&world, &ada, create(&[RECIPIENT], &[RECIPIENT])).await.expect("named");
    assert_eq!(made["opens"], format!("for {RECIPIENT}"));
    assert_eq!(newest(&world, "backup.recipients"), format!("for {RECIPIENT}"));
    signed(&world, &ada, create(&[], &[RECIPIENT])).await.expect("from then on the file is enough");
    // A line that somebody wrote since.
    assert_eq!(refused(&[], &[RECIPIENT, OTHER]).await, new(OTHER));
    // Named without standing there, it is for this one backup.
    signed(&world, &ada, create(&[OTHER], &[RECIPIENT])).await.expect("named");
    assert!(newest(&world, "backup.create").ends_with(&format!("files, for {OTHER}, {RECIPIENT}")));
    assert_eq!(refused(&[], &[RECIPIENT, OTHER]).await, new(OTHER));
    // Taken out of the file, it comes back by an admin's word only.
    signed(&world, &ada, create(&[OTHER], &[])).await.expect("made");
    assert_eq!(refused(&[], &[RECIPIENT]).await, new(RECIPIENT));
    let many: Vec<String> = (0..17).map(|at| format!("age1{at}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(refused(&many, &[]).await.contains("16 recipients at most"));
    world.end().await;
}
