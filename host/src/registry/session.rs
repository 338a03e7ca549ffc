//! The conversation with one registry about one repository: who asks, where answers may lead, and what each
//! request may take. Whoever is asked, credentials go to the registry itself and to nobody that it sends to.

use super::answer::Answer;
use super::challenge::Challenge;
use super::credentials::{self, Credentials};
use super::error::{Forbidden, RegistryError};
use super::guard::Guard;
use super::retry::Deadline;
use super::token;
use super::{Reference, Settings};
use std::time::Duration;
use ureq::http::{Request, Response};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Timeout};
use url::Url;

/// Redirects of one request.
const REDIRECTS_MAX: u32 = 5;
/// How long a name may take to be resolved, and a connection to be made.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a registry may think before it answers.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// How long one piece of a body may take, in either direction.
const PIECE_TIME_MAX: Duration = Duration::from_secs(30);
/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A conversation.
pub(super) struct Session<'a> {
    reference: &'a Reference,
    /// What is to be done, in the words of scopes: `pull` or `pull,push`.
    actions: &'static str,
    base: Url,
    agent: Agent,
    deadline: Deadline,
    /// Read once they are asked for.
    credentials: Option<Option<Credentials>>,
    /// What the registry is shown.
    authorization: Option<String>,
}

/// What is asked.
pub(super) struct Ask<'b> {
    pub(super) method: &'static str,
    pub(super) url: Url,
    /// `Accept` or `Content-Type`, and what it says.
    pub(super) field: Option<(&'static str, &'static str)>,
    pub(super) body: &'b [u8],
}

impl<'a> Session<'a> {
    pub(super) fn open(
        settings: &Settings,
        reference: &'a Reference,
        actions: &'static str,
        deadline: Deadline,
    ) -> Self {
        let api = reference.api();
        let plain = api.is_loopback() || settings.plain_http.iter().any(|known| known.covers(&api));
        let scheme = if plain { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{api}/")).expect("an authority was read as that of a URL");
        let guard = Guard::new(api.host(), base.port_or_known_default().unwrap_or_default());
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // What is checked is what is connected to, and a proxy would look names up by itself.
            .proxy(None)
            .user_agent(concat!("wasm-host/", env!("CARGO_PKG_VERSION")))
            .max_response_header_size(HEAD_BYTES_MAX)
            .timeout_resolve(Some(CONNECT_TIME_MAX))
            .timeout_connect(Some(CONNECT_TIME_MAX))
            .timeout_recv_response(Some(ANSWER_TIME_MAX))
            .timeout_per_read(Some(PIECE_TIME_MAX))
            .timeout_per_write(Some(PIECE_TIME_MAX))
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::new(), guard);
        Self { reference, actions, base, agent, deadline, credentials: None, authorization: None }
    }

    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// A place in the repository.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("v2/{}/{path}", self.reference.repository()));
        url
    }

    /// Asks, with credentials if they are wanted, and follows where the answer leads; what it brings is a
    /// success.
    pub(super) fn send(&mut self, ask: &Ask<'_>) -> Result<Answer, RegistryError> {
        let asked = shown(ask.method, &ask.url);
        let mut url = ask.url.clone();
        let (mut redirects, mut authorized) = (0, false);
        loop {
            self.check_way(&asked, &url)?;
            let registrys = self.is_registrys(&url);
            let authorization = self.authorization.as_deref().filter(|_| registrys);
            let authorization = authorization.map(|value| ("authorization", value));
            let fields: Vec<(&str, &str)> = authorization.into_iter().chain(ask.field).collect();
            let response = self.exchange(&asked, (ask.method, &url), &fields, ask.body)?;
            let answer = Answer { asked: asked.clone(), deadline: self.deadline, response };
            match answer.status() {
                200..=299 => return Ok(answer),
                401 if registrys && !authorized => {
                    let Some(challenge) = Challenge::among(answer.fields("www-authenticate")) else {
                        return Err(answer.refusal(false));
                    };
                    self.authorization = self.authorize(challenge)?;
                    if self.authorization.is_none() {
                        return Err(answer.refusal(false));
                    }
                    authorized = true;
                }
                301 | 302 | 303 | 307 | 308 if ["GET", "HEAD"].contains(&ask.method) => {
                    let to = answer.field("location").unwrap_or_default();
                    redirects += 1;
                    url = match url.join(to) {
                        Ok(to) if redirects <= REDIRECTS_MAX => to,
                        Ok(to) => return Err(elsewhere(&asked, &to, "there were five redirects already")),
                        Err(_) => return Err(answer.malformed("it redirects to what is no URL")),
                    };
                }
                _ => return Err(answer.refusal(self.knows_credentials())),
            }
        }
    }

    /// One request to this very place, and whatever is answered.
    pub(super) fn exchange(
        &self,
        asked: &str,
        (method, url): (&str, &Url),
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response<Body>, RegistryError> {
        let timed_out = || RegistryError::TimedOut { asked: asked.to_owned(), total: self.deadline.total };
        let left = self.deadline.left().ok_or_else(timed_out)?;
        let mut request = Request::builder().method(method).uri(url.as_str());
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        // An empty body is said to be one, but where there is never any.
        let done = match ["GET", "HEAD"].contains(&method) {
            true => request.body(()).map_err(ureq::Error::from).and_then(|request| {
                self.agent.run(self.agent.configure_request(request).timeout_global(Some(left)).build())
            }),
            false => request.body(body).map_err(ureq::Error::from).and_then(|request| {
                self.agent.run(self.agent.configure_request(request).timeout_global(Some(left)).build())
            }),
        };
        done.map_err(|error| failed(asked, url, error, self.deadline))
    }

    /// What to show for this challenge; none where nothing is known.
    fn authorize(&mut self, challenge: Challenge) -> Result<Option<String>, RegistryError> {
        let known = match &self.credentials {
            Some(known) => known.clone(),
            None => credentials::find(self.reference.registry()).map_err(|source| {
                RegistryError::Credentials { registry: self.reference.registry().to_string(), source }
            })?,
        };
        self.credentials = Some(known.clone());
        match challenge {
            Challenge::Basic => Ok(known.and_then(|known| known.basic())),
            Challenge::Bearer { realm, service, scope } => {
                let usual = || format!("repository:{}:{}", self.reference.repository(), self.actions);
                // One token for all that is to be done: some refuse a narrow one with 403, and not with a challenge.
                let wide = |scope: &String| self.actions.split(',').all(|action| scope.contains(action));
                let scope = scope.filter(wide).unwrap_or_else(usual);
                let wanted = token::Wanted { realm: &realm, service: service.as_deref(), scope: &scope };
                token::fetch(self, &wanted, known.as_ref()).map(Some)
            }
        }
    }

    pub(super) fn knows_credentials(&self) -> bool {
        matches!(self.credentials, Some(Some(_)))
    }

    /// Whether it is the registry itself that is asked there.
    fn is_registrys(&self, url: &Url) -> bool {
        let origin = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), port(url));
        origin(url) == origin(&self.base)
    }

    /// Refuses ways that others can listen at, unless whoever runs this host has said so of the registry.
    pub(super) fn check_way(&self, asked: &str, url: &Url) -> Result<(), RegistryError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(elsewhere(asked, url, "the URL holds a user name"));
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.base.scheme() == "http" && url.host_str() == self.base.host_str() => Ok(()),
            "http" => Err(elsewhere(asked, url, "it is not encrypted (http)")),
            _ => Err(elsewhere(asked, url, "it is neither https nor http")),
        }
    }

    /// Where a registry says that something is to be sent.
    pub(super) fn location(&self, answer: &Answer) -> Result<Url, RegistryError> {
        let location = answer.field("location").and_then(|location| self.base.join(location).ok());
        let location = location.ok_or_else(|| answer.malformed("`Location` is no URL"))?;
        self.check_way(&answer.asked, &location)?;
        Ok(location)
    }
}

fn port(url: &Url) -> Option<u16> {
    url.port_or_known_default()
}

/// A request as it may be told: a query can hold what gives access.
pub(super) fn shown(method: &str, url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let _ = (url.set_username(""), url.set_password(None));
    format!("{method} {url}")
}

fn elsewhere(asked: &str, to: &Url, why: &str) -> RegistryError {
    let to = shown("", to).trim_start().to_owned();
    RegistryError::Elsewhere { asked: asked.to_owned(), to, why: why.to_owned() }
}

/// What went wrong below HTTP.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library will have more ways to fail")]
pub(super) fn failed(asked: &str, url: &Url, error: ureq::Error, deadline: Deadline) -> RegistryError {
    let asked = asked.to_owned();
    match error {
        ureq::Error::Timeout(Timeout::Global) => RegistryError::TimedOut { asked, total: deadline.total },
        ureq::Error::Other(error) if error.is::<Forbidden>() => elsewhere(&asked, url, &error.to_string()),
        ureq::Error::Io(error) => {
            // What rustls does not believe comes as this kind.
            let again = error.kind() != std::io::ErrorKind::InvalidData;
            RegistryError::Unreachable { asked, what: error.to_string(), again }
        }
        ureq::Error::Timeout(step) => {
            let what = format!("it took too long ({step})");
            RegistryError::Unreachable { asked, what, again: true }
        }
        error => {
            let again = matches!(error, ureq::Error::HostNotFound | ureq::Error::ConnectionFailed);
            RegistryError::Unreachable { asked, what: error.to_string(), again }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(plain: &[&str]) -> Settings {
        Settings {
            plain_http: plain.iter().map(|authority| authority.parse().unwrap()).collect(),
            timeout: Duration::from_secs(1),
        }
    }

    fn way(plain: &[&str], reference: &str, to: &str) -> bool {
        let (settings, reference) = (settings(plain), reference.parse().unwrap());
        let session = Session::open(&settings, &reference, "pull", Deadline::after(settings.timeout));
        session.check_way("GET x", &to.parse().unwrap()).is_ok()
    }

    #[test]
    fn only_named_registries_are_spoken_to_in_the_clear() {
        for (plain, reference, to, allowed) in [
            (&[][..], "oci://a.example/b", "https://a.example/", true),
            (&[], "oci://a.example/b", "https://b.example/", true),
            (&[], "oci://a.example/b", "http://a.example/", false),
            (&[], "oci://localhost:5000/b", "http://localhost:5000/", true),
            (&[], "oci://localhost:5000/b", "http://localhost:5001/", true),
            (&[], "oci://localhost:5000/b", "http://b.example/", false),
            (&["a.example:5000"], "oci://a.example:5000/b", "http://a.example:5000/", true),
            (&["a.example:5000"], "oci://a.example/b", "http://a.example/", false),
            (&["a.example"], "oci://a.example/b", "http://b.example/", false),
            (&[], "oci://a.example/b", "https://user@a.example/", false),
            (&[], "oci://a.example/b", "file:///etc/passwd", false),
        ] {
            assert_eq!(way(plain, reference, to), allowed, "{plain:?} {reference} {to}");
        }
    }

    #[test]
    fn credentials_are_for_the_registrys_own_origin() {
        let (settings, reference) = (settings(&[]), "oci://a.example/b".parse().unwrap());
        let session = Session::open(&settings, &reference, "pull", Deadline::after(settings.timeout));
        for (to, own) in [
            ("https://a.example/x", true),
            ("https://a.example:443/x", true),
            ("https://a.example:444/x", false),
            ("http://a.example/x", false),
            ("https://b.a.example/x", false),
        ] {
            assert_eq!(session.is_registrys(&to.parse().unwrap()), own, "{to}");
        }
    }

    #[test]
    fn queries_are_not_told() {
        let url = Url::parse("https://u:p@a.example/b?X-Signature=secret#f").unwrap();
        assert_eq!(shown("GET", &url), "GET https://a.example/b");
    }
}
