//! Which web pages may use this server from a browser, for all surfaces.
//!
//! A browser lets any page send requests to any address that it can reach, also to one that only this machine can; what stops it is
//! that the server does not name the page's origin.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponseBuilder};

/// How long a browser remembers what it may do, in seconds: two days, as with the service of AWS.
const PREFLIGHT_MAX_AGE: &str = "172800";

/// The pages of which web sites may use this server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// None.
    #[default]
    None,
    /// All, as DynamoDB has it. Safe only where every request must be signed.
    Any,
    /// These, such as `http://localhost:8001`; `http://localhost:*` is any port of that host.
    These(Vec<String>),
}

impl Origins {
    /// As `http.cors_origins` lists them.
    #[must_use]
    pub fn of(listed: &[String]) -> Self {
        match listed {
            [] => Self::None,
            listed if listed.iter().any(|one| one == "*") => Self::Any,
            listed => Self::These(listed.to_vec()),
        }
    }

    /// Whether pages of this origin may use the server.
    #[must_use]
    pub fn admit(&self, origin: &[u8]) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::These(these) => these.iter().any(|one| matches(one, origin)),
        }
    }

    /// Names the page's origin in the reply if it may use the server, with the headers that its scripts may see.
    pub(super) fn name_in(&self, response: &mut HttpResponseBuilder, request: &HttpRequest, exposed: &str) -> bool {
        let Some(origin) = request.headers().get(header::ORIGIN).filter(|origin| self.admit(origin.as_bytes())) else {
            return false;
        };
        let allowed = if *self == Self::Any { HeaderValue::from_static("*") } else { origin.clone() };
        response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed));
        response.insert_header((header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed));
        // What a cache has for one page is not for another.
        response.append_header((header::VARY, "Origin"));
        true
    }
}

/// Any port of a host includes the one that an origin leaves out.
fn matches(listed: &str, origin: &[u8]) -> bool {
    let Some(host) = listed.strip_suffix(":*") else { return listed.as_bytes() == origin };
    match origin.strip_prefix(host.as_bytes()) {
        Some([]) => true,
        Some([b':', port @ ..]) => !port.is_empty() && port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// A preflight may do what it asks for.
pub(super) fn allow_what_is_asked(request: &HttpRequest, response: &mut HttpResponseBuilder) {
    let pairs = [
        (header::ACCESS_CONTROL_REQUEST_HEADERS, header::ACCESS_CONTROL_ALLOW_HEADERS),
        (header::ACCESS_CONTROL_REQUEST_METHOD, header::ACCESS_CONTROL_ALLOW_METHODS),
    ];
    for (asked, allowed) in pairs {
        if let Some(value) = request.headers().get(asked) {
            response.insert_header((allowed, value.clone()));
        }
    }
    response.insert_header((header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE));
}

#[cfg(test)]
mod tests {
    use super::Origins;

    fn listed(origins: &[&str]) -> Origins {
        Origins::of(&origins.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_list_admits_what_it_names() {
        let these = listed(&["http://localhost:*", "https://app.example.com"]);
        for admitted in ["http://localhost:3000", "http://localhost", "https://app.example.com"] {
            assert!(these.admit(admitted.as_bytes()), "{admitted}");
        }
        let strangers = [
            "https://localhost:3000",
            "http://localhost:",
            "http://localhost:3000.evil.com",
            "http://localhost.evil.com",
            "http://localhost:80x",
            "https://app.example.com:8443",
            "https://app.example.com.evil.com",
            "null",
            "",
        ];
        for stranger in strangers {
            assert!(!these.admit(stranger.as_bytes()), "{stranger}");
        }
    }

    #[test]
    fn nothing_listed_admits_nobody_and_a_star_everybody() {
        assert_eq!((listed(&[]), listed(&["*"])), (Origins::None, Origins::Any));
        assert!(!Origins::None.admit(b"http://localhost"));
        assert!(Origins::Any.admit(b"https://example.com"));
    }
}
