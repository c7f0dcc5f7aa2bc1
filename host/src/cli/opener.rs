//! Opens a page in the person's browser without its address on a command line, where every user of the machine reads it
//! (`/proc`): the browser is given a file of the home, which only its owner can read, and which leads on.

use std::io::Write as _;
use std::sync::Mutex;

use url::Url;

use crate::home::Home;

/// Opens pages by way of a home. Dropping it removes the files.
pub struct Opener {
    home: Home,
    left: Mutex<Vec<String>>,
}

impl Opener {
    /// Opens pages by way of this home.
    pub fn new(home: Home) -> Self {
        Self { home, left: Mutex::default() }
    }

    /// Has the browser opened; the inner words say why none could be.
    pub fn open(&self, address: &str) -> Result<(), String> {
        let page = Url::parse(address).map_err(|error| error.to_string())?;
        if !matches!(page.scheme(), "http" | "https") {
            return Err("it is no address of a web page".to_owned());
        }
        let name = self.leave(&page).map_err(|error| crate::text::with_causes(&*error))?;
        let path = self.home.state_path(&name).map_err(|error| error.to_string())?;
        let file = Url::from_file_path(path).map_err(|()| "the home has no absolute path")?;
        webbrowser::open(file.as_str()).map_err(|error| error.to_string())
    }

    /// Leaves a file that leads to a page, and returns its name in `state/`.
    fn leave(&self, page: &Url) -> Result<String, Box<dyn std::error::Error>> {
        let (outgoing, mut file) = self.home.make_outgoing("html")?;
        file.write_all(leading_to(page).as_bytes())?;
        let name = outgoing.leave();
        if let Ok(mut left) = self.left.lock() {
            left.push(name.clone());
        }
        Ok(name)
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        let left = self.left.get_mut().map(std::mem::take).unwrap_or_default();
        // One that cannot be removed now is when the home is taken the next time, and leads to a consent that has ended.
        left.iter().for_each(|name| drop(self.home.take_outgoing(name)));
    }
}

/// A page that leads to another. A parsed URL of a web page holds no double quotes and no angle brackets.
fn leading_to(page: &Url) -> String {
    let page = page.as_str().replace('&', "&amp;");
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"refresh\" content=\"0; url={page}\">\n<title>Wardlock</title>\n\
         <p><a href=\"{page}\">On to the consent</a></p>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_owners_alone_and_gone_in_the_end() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("home");
        let opener = Opener::new(Home::create(&path).expect("a home"));
        let page: Url = "http://127.0.0.1:7421/start/x?a=1&b=\"<".parse().expect("a URL");
        let file = path.join("state").join(opener.leave(&page).expect("left"));
        assert_eq!(file.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
        let html = leading_to(&page);
        assert_eq!(file.metadata().expect("a file").len(), html.len() as u64);
        assert!(html.contains("0; url=http://127.0.0.1:7421/start/x?a=1&amp;b=%22%3C\""), "{html}");
        assert!(opener.open("javascript:alert(1)").is_err() && opener.open("file:///etc/passwd").is_err());
        drop(opener);
        assert!(!file.exists());
    }
}
