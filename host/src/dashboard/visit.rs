//! A request as the dashboard reads it, and what it answers.

use std::net::SocketAddr;

use url::form_urlencoded;

use super::origin;

/// How browsers send forms.
const FORM: &str = "application/x-www-form-urlencoded";

/// The cookie of a link's page. Its path is the link's, so each has its own.
const LINK_COOKIE: &str = "wardlock_link";

/// A request that was admitted.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Whether it is a form that was sent; else a page that is looked at.
    pub post: bool,
    /// The path.
    pub path: String,
    /// The fields of the form or of the query.
    fields: Vec<(String, String)>,
    /// The local user at the other end.
    pub user: Option<u32>,
    /// The origin of these pages.
    pub origin: String,
    /// The cookies, as they came.
    cookies: String,
    port: u16,
}

impl Visit {
    /// Reads one.
    pub fn new(
        post: bool,
        path: &str,
        query: &str,
        cookies: Option<&str>,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Self {
        let is_form = content_type.is_some_and(|given| given.split(';').next().unwrap_or_default().trim() == FORM);
        let fields = match (post, is_form) {
            (false, _) => query.as_bytes(),
            (true, true) => body,
            (true, false) => &[],
        };
        let fields = form_urlencoded::parse(fields).into_owned().collect();
        let cookies = cookies.unwrap_or_default().to_owned();
        Self { post, path: path.to_owned(), fields, user: None, origin: String::new(), cookies, port: 0 }
    }

    /// Says from where it comes, and to which listener.
    #[must_use]
    pub fn from(mut self, user: Option<u32>, listener: SocketAddr) -> Self {
        (self.user, self.origin, self.port) = (user, origin(listener), listener.port());
        self
    }

    /// Returns the value of the session's cookie.
    pub fn session(&self) -> Option<&str> {
        cookie(&self.cookies, &session_cookie(self.port))
    }

    /// Returns the value of the cookie by which the browser that used a link is known.
    pub fn browser(&self) -> Option<&str> {
        cookie(&self.cookies, LINK_COOKIE)
    }

    /// Returns the form to the letter.
    pub fn form(&self) -> String {
        let fields = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish();
        format!("{}?{fields}", self.path)
    }

    /// Returns a field's text; none where it stands twice.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(known, _)| known == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Returns a field that was filled in.
    pub fn filled(&self, name: &str) -> Option<String> {
        self.field(name).map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
    }
}

/// Returns the name of a session's cookie. Cookies know no ports, so the name does: two homes on one machine would sign each other's
/// visitors out.
fn session_cookie(port: u16) -> String {
    format!("wardlock_session_{port}")
}

/// Finds a cookie. Two of the name are none: which of them is ours, nobody can tell.
fn cookie<'a>(cookies: &'a str, wanted: &str) -> Option<&'a str> {
    let named = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut found = named.filter(|(name, _)| *name == wanted);
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}

/// What a request is answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// Where the browser goes on.
    pub location: Option<String>,
    /// The cookie that is set, with what it is bound to.
    pub cookie: Option<String>,
}

impl Answer {
    /// Answers with a text.
    pub fn of(content_type: &'static str, body: String) -> Self {
        Self { status: 200, content_type, body, location: None, cookie: None }
    }

    /// Answers with a page.
    pub fn page(status: u16, body: String) -> Self {
        Self { status, ..Self::of("text/html; charset=utf-8", body) }
    }

    /// Answers a script.
    pub fn data(value: &serde_json::Value) -> Self {
        Self::of("application/json", value.to_string())
    }

    /// Leads the browser on to another page. 303, so that it does not post again.
    pub fn leads_to(location: &str) -> Self {
        Self { location: Some(location.to_owned()), ..Self::page(303, String::new()) }
    }

    /// Sets the cookie of the link's page that was visited: no other page has it sent, and no script reads it.
    #[must_use]
    pub fn with_browser(mut self, visit: &Visit, value: &str, seconds: u64) -> Self {
        let path = &visit.path;
        self.cookie =
            Some(format!("{LINK_COOKIE}={value}; HttpOnly; SameSite=Strict; Path={path}; Max-Age={seconds}"));
        self
    }

    /// Sets the session's cookie: no script reads it, and no other site's page has it sent.
    #[must_use]
    pub fn with_session(mut self, visit: &Visit, id: &str, seconds: u64) -> Self {
        let name = session_cookie(visit.port);
        self.cookie = Some(format!("{name}={id}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}"));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_twice_is_none() {
        assert_eq!(cookie("a=b; own=x", "own"), Some("x"));
        assert_eq!(cookie("own=x; own=y", "own"), None);
        assert_eq!(cookie("other=x", "own"), None);
        let form = |content_type, body: &[u8]| Visit::new(true, "/", "csrf=q", None, content_type, body);
        let read = form(Some("application/x-www-form-urlencoded; charset=UTF-8"), b"csrf=a%20b&x=1&x=2");
        assert_eq!((read.field("csrf"), read.field("x"), read.field("y")), (Some("a b"), None, None));
        for other in [None, Some("text/plain"), Some("application/json")] {
            assert_eq!(
                form(other, b"csrf=a").field("csrf"),
                None,
                "{other:?}: only a form has fields, and no query"
            );
        }
    }
    #[test]
    fn a_session_is_one_dashboards_among_those_of_the_machine() {
        let at = |port: u16| {
            let cookies = Some("wardlock_session_7423=a; wardlock_session_7523=b; wardlock_session=c");
            Visit::new(false, "/", "", cookies, None, &[]).from(None, ([127, 0, 0, 1], port).into())
        };
        assert_eq!((at(7423).session(), at(7523).session(), at(7623).session()), (Some("a"), Some("b"), None));
        let set = Answer::leads_to("/").with_session(&at(7523), "d", 9).cookie;
        assert!(set.is_some_and(|set| set.starts_with("wardlock_session_7523=d; ")), "each sets its own");
    }
}
