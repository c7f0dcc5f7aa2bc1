//! A world's OAuth clients: at each provider as its console would keep them, and in the vault as registrations.

use std::collections::BTreeMap;

use wardlock::host::Host;
use wardlock::loaded::Services;
use wardlock_core::id::{RegistrationName, ServiceName};
use wardlock_egress::vault::{NewRegistration, Secret};
use wardlock_simulator::{ClientSpec, GoogleClient, MetaApp, Simulator};
use wardlock_tests::canary::Canaries;
use zeroize::Zeroizing;

const ZOHO_CLIENT: &str = "1000.TESTCLIENT0000000000000000000001";
const GOOGLE_CLIENT: &str = "100000000001-test.apps.googleusercontent.com";
const META_APP: &str = "100000000000002";

/// Makes one client at each provider, and a registration of it for each of these services. Every secret is a canary.
pub async fn register(
    host: &Host,
    simulator: &Simulator,
    canaries: &Canaries,
    redirect_uri: &str,
    services: &[&str],
) {
    let secret = canaries.token("client secret");
    simulator.add_client(ClientSpec::new(ZOHO_CLIENT, &secret, redirect_uri));
    simulator.google().add_client(GoogleClient::desktop(GOOGLE_CLIENT, &secret));
    simulator.meta().add_app(MetaApp::new(META_APP, &secret, redirect_uri));
    for name in services {
        let service = Services::built_in().get(name).cloned().expect("a service");
        let registration = match *name {
            "zoho-crm" => "zoho",
            other => other,
        };
        let registration = RegistrationName::parse(registration).expect("a name");
        let client_id = match service.provider.as_deref() {
            Some("google") => GOOGLE_CLIENT,
            Some("meta") => META_APP,
            _ => ZOHO_CLIENT,
        };
        let new = NewRegistration {
            name: registration.clone(),
            service: ServiceName::parse(name).expect("a name"),
            client_id: client_id.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            secret: Some(kept(&secret)),
            program: Vec::new(),
            region_secrets: BTreeMap::new(),
            created_ms: 1,
        };
        host.vault().add_registration(new).expect("registered");
        for which in service.secrets.keys() {
            let further = canaries.token(which);
            simulator.google().add_developer_token(&further);
            host.egress().put_further_secret(&registration, which, kept(&further)).await.expect("stored");
        }
    }
}

fn kept(secret: &str) -> Secret {
    Secret::from_bytes(Zeroizing::new(secret.as_bytes().to_vec())).expect("a secret")
}
