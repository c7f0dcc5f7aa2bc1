//! What can go wrong while starting the simulator or playing the person.

/// Why the simulator could not start, or why a person could not finish a consent.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The loopback listeners could not be opened.
    #[error("bind a loopback listener")]
    Bind(#[source] std::io::Error),
    /// The test certificate authority could not be made.
    #[error("make the test certificates")]
    Certificates(#[source] rcgen::Error),
    /// The TLS server could not be configured.
    #[error("configure TLS")]
    Tls(#[source] rustls::Error),
    /// A URL could not be read, or is not one that the browser could open.
    #[error("open the URL: {0}")]
    Url(String),
    /// The page could not be fetched.
    #[error("fetch a page")]
    Fetch(#[source] std::io::Error),
    /// The other side spoke no valid HTTP.
    #[error("read an HTTP answer")]
    Http(#[from] hyper::Error),
    /// The consent page refused, as Zoho does: with a page and no redirect.
    #[error("the consent page refused with status {status}")]
    Refused {
        /// The page's status.
        status: u16,
        /// The page itself.
        body: String,
    },
}
