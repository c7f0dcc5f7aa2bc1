//! The simulator's clients: what a person would have registered in each provider's console.
//!
//! Their secrets are nobody's: they open the simulator only.

use std::net::SocketAddr;

use wardlock_simulator::{ClientSpec, GoogleClient, MetaApp, NotesClient, Simulator};

use super::setup::redirect_uri;

/// Zoho's client.
pub const CLIENT_ID: &str = "1000.WARDLOCKSIMULATORCLIENT00000001";
/// Its secret.
pub const CLIENT_SECRET: &str = "simulator-client-secret-of-nobody";
/// Google's client.
const GOOGLE_ID: &str = "1000-simulator.apps.googleusercontent.com";
/// Google's developer token, which the simulator has approved.
const DEVELOPER_TOKEN: &str = "SimulatorDeveloperTokn";
/// Meta's app.
const META_ID: &str = "1000000000000001";
/// The client of the provider of notes.
const NOTES_ID: &str = "simulator-notes-client";
/// Its public client, which may be sent back to any port of 127.0.0.1.
const NOTES_PUBLIC_ID: &str = "simulator-notes-public-client";

/// Registers every client for this home's callback.
pub fn add(simulator: &Simulator, callback: SocketAddr) {
    let redirect_uri = redirect_uri(callback);
    simulator.add_client(ClientSpec::new(CLIENT_ID, CLIENT_SECRET, &redirect_uri));
    simulator.google().add_client(GoogleClient::web(GOOGLE_ID, CLIENT_SECRET, &redirect_uri));
    simulator.meta().add_app(MetaApp::new(META_ID, CLIENT_SECRET, &redirect_uri));
    simulator.notes().add_client(NotesClient::new(NOTES_ID, CLIENT_SECRET, &redirect_uri));
    simulator.notes().add_client(NotesClient::public(NOTES_PUBLIC_ID, &redirect_uri));
}

/// Says which clients there are, and how to register one.
pub fn introduce() {
    let notes_key = wardlock_simulator::NotesConfig::API_KEY;
    let app_key = wardlock_simulator::NotesConfig::APP_KEY;
    crate::cli::line(&format!(
        "The providers are the simulator's; they forget their accounts when it ends. What their consoles would show:\n\n  \
         Zoho    client id {CLIENT_ID}\n  \
         Google  client id {GOOGLE_ID}, developer token {DEVELOPER_TOKEN}\n  \
         Meta    app id {META_ID}\n  \
         notes   client id {NOTES_ID}, or {NOTES_PUBLIC_ID}, which is public;\n          \
         API key {notes_key}, app key {app_key}\n\n\
         The client secret of each is {CLIENT_SECRET}. To register Zoho's:\n\n  \
         echo {CLIENT_SECRET} | wardlock --home FOLDER registration add zoho --service zoho-crm \\\n    \
         --client-id {CLIENT_ID} --secret-stdin\n"
    ));
}
