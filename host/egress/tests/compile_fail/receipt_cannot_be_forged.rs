//! Only the audit gives a receipt, after the intent is recorded.

use wardlock_audit::Receipt;
use wardlock_core::id::Digest;

fn without_a_record(permit: Digest) -> Receipt {
    Receipt { permit, sequence: 1 }
}

fn main() {}
