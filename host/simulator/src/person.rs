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
    /// The provider's page.
    pub page_url: String,
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
    /// The cookie that it sets, without its attributes.
    cookie: Option<String>,
    body: String,
}

/// A browser that stands at the provider's page, with the cookie that it was given on its way there.
#[derive(Clone, Debug, Default)]
pub struct Led {
    /// The provider's page.
    pub page: String,
    /// The cookie, as it goes back to whoever led here.
    pub cookie: Option<String>,
}

impl Led {
    /// Opens an address that leads to the provider's page.
    pub async fn by(start: &str) -> Result<Led, SimulatorError> {
        let Page { status, location, cookie, body } = fetch(start, None, None).await?;
        let page = location.ok_or(SimulatorError::Refused { status, body })?;
        Ok(Led { page, cookie })
    }

    /// Decides on the provider's page, and goes to where that leads.
    pub async fn consent(&self, consent: &Consent) -> Result<Approval, SimulatorError> {
        let callback_url = decide(&self.page, consent).await?;
        let page = fetch(&callback_url, None, self.cookie.as_deref()).await?;
        Ok(Approval { page_url: self.page.clone(), callback_url, status: page.status, body: page.body })
    }
}

/// Plays the person who is told to open an address that leads to a consent page, as Wardlock's callback listener serves one.
pub async fn consent(start: &str, consent: &Consent) -> Result<Approval, SimulatorError> {
    Led::by(start).await?.consent(consent).await
}

/// Returns where a consent page that another process serves sends the browser, without following.
pub async fn callback_of(page: &str, consent: &Consent) -> Result<String, SimulatorError> {
    decide(page, consent).await
}

/// Plays the person who opens the page for a device's code, with the code in its address, and decides.
pub async fn decide_device(page: &str, consent: &Consent) -> Result<(), SimulatorError> {
    for form in [None, Some(answer_form(consent))] {
        let page = fetch(page, form, None).await?;
        if page.status != 200 {
            return Err(SimulatorError::Refused { status: page.status, body: page.body });
        }
    }
    Ok(())
}

/// Returns where the consent page sends the browser.
pub(crate) async fn decide(url: &str, consent: &Consent) -> Result<String, SimulatorError> {
    let page = fetch(url, None, None).await?;
    if page.status != 200 {
        return Err(SimulatorError::Refused { status: page.status, body: page.body });
    }
    let page = fetch(url, Some(answer_form(consent)), None).await?;
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

/// Fetches one plain page, as a GET or, with a form, as a POST.
async fn fetch(url: &str, form: Option<String>, cookie: Option<&str>) -> Result<Page, SimulatorError> {
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
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let body = Full::new(Bytes::from(form.unwrap_or_default()));
    let request = request.header("connection", "close").body(body).map_err(|_| unusable())?;
    let response = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    driver.abort();
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let cookie = text("set-cookie").and_then(|line| line.split(';').next().map(str::to_owned));
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Page { status: head.status.as_u16(), location: text("location"), cookie, body })
}
