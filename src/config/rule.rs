//! Which values a key takes: one [`Rule`] per key, which judges a value and says in words what it would take.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tracing_subscriber::EnvFilter;

use super::Setting;

/// The longest path that a key takes, in bytes (Linux allows 4096 with the end mark).
const PATH_MAX_BYTES: usize = 4095;

/// Which values a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `true` or `false`.
    Switch,
    /// A whole number in `min..=max`.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A power of two in `min..=max`.
    PowerOfTwo {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// At most 63 characters `a-z`, `0-9` and `-`, as in a DNS label.
    Name {
        /// Whether it may be empty, which means "not set".
        optional: bool,
    },
    /// A path in the file system.
    Path {
        /// Whether it may be empty, which means "not set".
        optional: bool,
    },
    /// An address to listen on: `IP:port`, where port 0 lets the system choose one.
    Listen,
    /// An address to connect to, `host:port`; empty means "not set".
    Address,
    /// A list of different addresses to connect to.
    Addresses,
    /// A list of different origins of web pages, or `*` alone.
    Origins,
    /// A log filter in the syntax of `tracing`.
    Filter,
}

/// What a rule says of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fits,
    WrongType,
    NotAllowed,
}

impl Rule {
    pub(super) fn verdict(&self, setting: &Setting) -> Verdict {
        let fits = match (self, setting) {
            (Rule::Switch, Setting::Switch(_)) => true,
            (Rule::Integer { min, max }, Setting::Integer(n)) => (min..=max).contains(&n),
            (Rule::PowerOfTwo { min, max }, Setting::Integer(n)) => (min..=max).contains(&n) && n.count_ones() == 1,
            (Rule::Addresses, Setting::List(items)) => items.iter().all(|item| is_address(item)) && all_differ(items),
            (Rule::Origins, Setting::List(items)) => {
                matches!(&items[..], [any] if any == "*")
                    || (items.iter().all(|item| is_origin(item)) && all_differ(items))
            }
            (rule, Setting::Text(text)) if rule.takes_text() => rule.fits_text(text),
            _ => return Verdict::WrongType,
        };
        if fits { Verdict::Fits } else { Verdict::NotAllowed }
    }

    fn fits_text(&self, text: &str) -> bool {
        match self {
            Rule::Choice(choices) => choices.contains(&text),
            Rule::Name { optional } => is_name(text) || (*optional && text.is_empty()),
            Rule::Path { optional } => is_path(text) || (*optional && text.is_empty()),
            Rule::Listen => text.parse::<SocketAddr>().is_ok(),
            Rule::Address => text.is_empty() || is_address(text),
            Rule::Filter => is_filter(text),
            Rule::Switch | Rule::Integer { .. } | Rule::PowerOfTwo { .. } | Rule::Addresses | Rule::Origins => false,
        }
    }

    /// Whether the file writes the value as a string.
    pub(super) fn takes_text(&self) -> bool {
        self.expected() == "a string"
    }

    /// Whether what it allows is a range of numbers.
    pub(super) fn is_range(&self) -> bool {
        matches!(self, Rule::Integer { .. } | Rule::PowerOfTwo { .. })
    }

    /// The TOML type it takes, with its article.
    pub fn expected(&self) -> &'static str {
        match self {
            Rule::Switch => "a boolean",
            Rule::Integer { .. } | Rule::PowerOfTwo { .. } => "an integer",
            Rule::Addresses | Rule::Origins => "an array of strings",
            Rule::Choice(_) | Rule::Name { .. } | Rule::Path { .. } | Rule::Listen | Rule::Address | Rule::Filter => {
                "a string"
            }
        }
    }

    /// The values it allows, as one phrase that fits after "must be".
    pub fn allowed(&self) -> String {
        let or_empty = |optional: &bool| if *optional { ", or empty" } else { "" };
        match self {
            Rule::Switch => "true or false".to_owned(),
            Rule::Integer { min, max } => format!("{min}..={max}"),
            Rule::PowerOfTwo { min, max } => format!("a power of two in {min}..={max}"),
            Rule::Choice(choices) => {
                let quoted: Vec<String> = choices.iter().map(|c| format!("\"{c}\"")).collect();
                quoted.join(" or ")
            }
            Rule::Name { optional } => {
                let or_empty = or_empty(optional);
                format!("1..=63 characters a-z, 0-9 or -{or_empty}")
            }
            Rule::Path { optional } => format!("a path{}", or_empty(optional)),
            Rule::Listen => "an IP address and a port, like \"127.0.0.1:7400\"".to_owned(),
            Rule::Address => "\"host:port\" that others can connect to, or empty".to_owned(),
            Rule::Addresses => "different addresses \"host:port\"".to_owned(),
            Rule::Origins => {
                "different origins, like \"https://app.example.com\" or \"http://localhost:*\", or \"*\" alone"
                    .to_owned()
            }
            Rule::Filter => "a log filter, like \"info\" or \"warn,slipring=debug\"".to_owned(),
        }
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_path(text: &str) -> bool {
    (1..=PATH_MAX_BYTES).contains(&text.len()) && !text.contains(char::is_control)
}

/// `host:port` that one can connect to: no port 0, and not the unspecified address.
fn is_address(text: &str) -> bool {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return address.port() != 0 && !address.ip().is_unspecified();
    }
    match text.rsplit_once(':') {
        Some((host, port)) => is_host(host) && is_port(port),
        None => false,
    }
}

/// A DNS name. What looks like an IPv4 address and is none ("10.0.0.256") would only fail when resolved.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(allowed)
    };
    let all_digits = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    host.len() <= 253
        && host.split('.').all(label)
        && !host.rsplit('.').next().is_some_and(all_digits)
        && host.parse::<IpAddr>().is_err()
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// As a browser sends it: scheme, host in small letters, and a port where it is not the scheme's own.
fn is_origin(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else { return false };
    let bracket = rest.find(']').map_or(0, |at| at + 1);
    let (host, port) = match rest[bracket..].find(':') {
        Some(at) => (&rest[..bracket + at], Some(&rest[bracket + at + 1..])),
        None => (rest, None),
    };
    let is_address = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inside) => inside.parse::<Ipv6Addr>().is_ok(),
        None => is_host(host) || host.parse::<Ipv4Addr>().is_ok(),
    };
    is_address
        && !text.bytes().any(|byte| byte.is_ascii_uppercase())
        && port.is_none_or(|port| port == "*" || is_port(port))
}

fn all_differ(items: &[String]) -> bool {
    let mut seen = BTreeSet::new();
    items.iter().all(|item| seen.insert(item.to_ascii_lowercase()))
}

fn is_filter(text: &str) -> bool {
    let blank = text.trim().is_empty() || text.contains(char::is_control);
    !blank && EnvFilter::builder().parse(text).is_ok()
}
