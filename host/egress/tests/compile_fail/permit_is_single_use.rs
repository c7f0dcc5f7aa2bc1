//! One permit sends one request: `send` takes it by value.

use wardlock_audit::Receipt;
use wardlock_core::decision::Permit;
use wardlock_egress::Egress;

async fn twice(egress: &Egress, permit: Permit, first: Receipt, second: Receipt) {
    let _ = egress.send(permit, first).await;
    let _ = egress.send(permit, second).await;
}

fn main() {}
