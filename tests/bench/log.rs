//! A log in a folder of its own, and rows such as the product writes.

use std::ops::Range;
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::{Signer as _, SigningKey};
use wardlock_audit::{Act, Audit, PublicKey, Refused, Settings, Signer};
use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::id::RequestId;
use wardlock_core::refusal::{Code, Refusal};
use wardlock_core::service::{self, ServiceDefinition};

const SERVICE: &str = include_str!("../../host/services/zoho-crm.toml");

static DEFINITION: LazyLock<Option<ServiceDefinition>> =
    LazyLock::new(|| service::parse(SERVICE, "zoho-crm.toml").ok());

/// An open log.
pub struct Log {
    pub audit: Audit,
    folder: tempfile::TempDir,
}

impl Log {
    /// Makes an empty one.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = PublicKey::from_bytes(key.verifying_key().to_bytes());
        let signer = Signer::new(public, &[7; 32], move |bytes| key.sign(bytes).to_bytes());
        let settings = Settings::new([7; 32], signer, Arc::new(now_ms));
        let audit = Audit::open(&folder.path().join("audit.db"), settings)?;
        Ok(Self { audit, folder })
    }

    /// Returns how large it is.
    pub fn bytes(&self) -> anyhow::Result<u64> {
        Ok(std::fs::metadata(self.folder.path().join("audit.db"))?.len())
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How many callers wait at once where a commit serves many.
pub const MANY: u32 = 256;

/// Writes so many rows as the product does, by many callers at once.
pub async fn fill(audit: &Audit, rows: Range<u32>) -> anyhow::Result<()> {
    let each = u32::try_from(rows.len())?.div_ceil(MANY);
    let writers = (0..MANY).map(|at| {
        let (audit, from) = (audit.clone(), rows.start + at * each);
        let until = (from + each).min(rows.end);
        tokio::spawn(async move {
            for number in from..until {
                audit.refuse(refused(number)).await?;
            }
            anyhow::Ok(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    Ok(())
}

/// One agent in a hundred thousand rows, and three for the others.
pub fn agent(number: u32) -> String {
    if number.is_multiple_of(100_000) { "rare".to_owned() } else { format!("agent-{}", number % 3) }
}

/// A row that survives the loss of power.
pub fn act(number: u32) -> Act {
    Act::admin("operator", "agent.add", format!("agent-{number}"), "ok").in_workspace("acme")
}

/// A row that survives a crash: a refused read of one record.
pub fn refused(number: u32) -> Refused {
    let mut bits = [0; 16];
    bits[..4].copy_from_slice(&number.to_be_bytes());
    let refusal = Refusal::new(Code::ResourceNotAllowed, "resources", "no");
    let refused = Refused::new(RequestId::from_bits(bits), &refusal).by("acme", agent(number));
    let module = if number.is_multiple_of(5) { "Contacts" } else { "Leads" };
    let target = format!("/crm/v8/{module}/{number}?fields=Last_Name,Company");
    match CanonicalRequest::parse("GET", &target, Vec::new(), Vec::new()) {
        Ok(request) => refused.asking_canonical(&request, DEFINITION.as_ref()),
        Err(_) => refused,
    }
}
