//! Plays the person in the browser: opens the consent page, presses a button, follows the redirect.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Url;

use crate::config::Environment;
use crate::error::SimulatorError;

/// What the person chooses on the consent page.
#[derive(Clone, Debug)]
pub struct Consent {
    /// Whether the person accepts.
    pub accept: bool,
    /// Who the person is, by e-mail; `None`: the first user of the data centre that the URL names.
    pub user: Option<String>,
    /// The environment chosen.
    pub environment: Environment,
}

impl Default for Consent {
    fn default() -> Consent {
        Consent { accept: true, user: None, environment: Environment::Production }
    }
}

/// How a consent ended.
#[derive(Clone, Debug)]
pub struct Approval {
    /// Where the provider sent the browser.
    pub callback_url: String,
    /// The status of the callback page.
    pub status: u16,
    /// The callback page.
    pub body: String,
}

struct Page {
    status: u16,
    location: Option<String>,
    body: String,
}

/// Plays the person at a consent page that another process serves: `page` is the plain-http address that the browser
/// was told to open.
pub async fn consent(page: &str, consent: &Consent) -> Result<Approval, SimulatorError> {
    visit(decide(page, consent).await?).await
}

/// Returns where a consent page that another process serves sends the browser, without following.
pub async fn callback_of(page: &str, consent: &Consent) -> Result<String, SimulatorError> {
    decide(page, consent).await
}

/// Plays the person who opens the page for a device's code, with the code in its address, and decides.
pub async fn decide_device(page: &str, consent: &Consent) -> Result<(), SimulatorError> {
    for form in [None, Some(answer_form(consent))] {
        let page = fetch(page, form).await?;
        if page.status != 200 {
            return Err(SimulatorError::Refused { status: page.status, body: page.body });
        }
    }
    Ok(())
}

/// Returns where the consent page sends the browser.
pub(crate) async fn decide(url: &str, consent: &Consent) -> Result<String, SimulatorError> {
    let page = fetch(url, None).await?;
    if page.status != 200 {
        return Err(SimulatorError::Refused { status: page.status, body: page.body });
    }
    let page = fetch(url, Some(answer_form(consent))).await?;
    page.location.ok_or(SimulatorError::Refused { status: page.status, body: page.body })
}

/// Fills in the consent page's form.
fn answer_form(consent: &Consent) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("decision", if consent.accept { "accept" } else { "reject" });
    form.append_pair("environment", consent.environment.org_type());
    if let Some(user) = &consent.user {
        form.append_pair("user", user);
    }
    form.finish()
}

/// Opens the callback.
pub(crate) async fn visit(callback_url: String) -> Result<Approval, SimulatorError> {
    let page = fetch(&callback_url, None).await?;
    Ok(Approval { callback_url, status: page.status, body: page.body })
}

/// Fetches one plain page, as a GET or, with a form, as a POST.
async fn fetch(url: &str, form: Option<String>) -> Result<Page, SimulatorError> {
    let unusable = || SimulatorError::Url(url.to_owned());
    let parsed = Url::parse(url).map_err(|_| unusable())?;
    let host = parsed.host_str().filter(|_| parsed.scheme() == "http").ok_or_else(unusable)?;
    let port = parsed.port_or_known_default().ok_or_else(unusable)?;
    let stream = TcpStream::connect((host, port)).await.map_err(SimulatorError::Fetch)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);

    let target = &parsed[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = Request::builder().uri(target).header("host", format!("{host}:{port}"));
    if form.is_some() {
        request = request.method("POST").header("content-type", "application/x-www-form-urlencoded");
    }
    let body = Full::new(Bytes::from(form.unwrap_or_default()));
    let request = request.header("connection", "close").body(body).map_err(|_| unusable())?;
    let response = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    driver.abort();
    let location = head.headers.get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Page { status: head.status.as_u16(), location, body: String::from_utf8_lossy(&body).into_owned() })
}
