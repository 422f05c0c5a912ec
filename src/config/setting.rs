//! A key's value between TOML and its typed field: [`Setting`], and what each field type makes of one.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use toml::de::DeValue;

/// The value of any key, before its type is known. `Display` writes it as TOML, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Switch(bool),
    /// An array of strings.
    List(Vec<String>),
}

impl Setting {
    /// `None` for what no key takes: floats, dates, tables, arrays of anything but strings.
    pub(super) fn from_toml(value: &DeValue<'_>) -> Option<Setting> {
        match value {
            DeValue::String(text) => Some(Setting::Text(text.clone().into_owned())),
            DeValue::Boolean(on) => Some(Setting::Switch(*on)),
            DeValue::Integer(digits) => {
                // A number too large for 64 bits is out of range, not of the wrong type; no rule reaches i64::MAX.
                let parsed = i64::from_str_radix(digits.as_str(), digits.radix());
                Some(Setting::Integer(parsed.unwrap_or(i64::MAX)))
            }
            DeValue::Array(items) => items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .map(Setting::List),
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Text(text) => write_quoted(f, text),
            Setting::Integer(number) => write!(f, "{number}"),
            Setting::Switch(on) => write!(f, "{on}"),
            Setting::List(items) => {
                f.write_str("[")?;
                for (position, item) in items.iter().enumerate() {
                    f.write_str(if position == 0 { "" } else { ", " })?;
                    write_quoted(f, item)?;
                }
                f.write_str("]")
            }
        }
    }
}

/// Always a basic string: the `toml` crate would choose a multi-line one for some texts, and a problem is one line.
fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\u{:04X}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// A type that a field of the configuration can have.
pub(super) trait Field: Sized {
    /// The value as the file would say it.
    fn to_setting(&self) -> Setting;
    /// `None` if the type has no such value.
    fn from_setting(setting: &Setting) -> Option<Self>;
}

macro_rules! integer_field {
    ($($Type:ty),+) => {$(
        impl Field for $Type {
            fn to_setting(&self) -> Setting {
                Setting::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }

            fn from_setting(setting: &Setting) -> Option<Self> {
                match setting {
                    Setting::Integer(number) => Self::try_from(*number).ok(),
                    _ => None,
                }
            }
        }
    )+};
}

integer_field!(u32, u64, usize);

impl Field for bool {
    fn to_setting(&self) -> Setting {
        Setting::Switch(*self)
    }

    fn from_setting(setting: &Setting) -> Option<Self> {
        match setting {
            Setting::Switch(on) => Some(*on),
            _ => None,
        }
    }
}

impl Field for Vec<String> {
    fn to_setting(&self) -> Setting {
        Setting::List(self.clone())
    }

    fn from_setting(setting: &Setting) -> Option<Self> {
        match setting {
            Setting::List(items) => Some(items.clone()),
            _ => None,
        }
    }
}

/// A field type that the file writes as a string.
trait TextField: Sized {
    fn to_text(&self) -> String;
    fn from_text(text: &str) -> Option<Self>;
}

macro_rules! text_field {
    ($($Type:ty),+) => {$(
        impl Field for $Type {
            fn to_setting(&self) -> Setting {
                Setting::Text(self.to_text())
            }

            fn from_setting(setting: &Setting) -> Option<Self> {
                match setting {
                    Setting::Text(text) => Self::from_text(text),
                    _ => None,
                }
            }
        }
    )+};
}

text_field!(String, PathBuf, SocketAddr, Durability, LogFormat, Placement, ReadOrder);
text_field!(Option<String>, Option<PathBuf>);

impl TextField for String {
    fn to_text(&self) -> String {
        self.clone()
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl TextField for PathBuf {
    fn to_text(&self) -> String {
        self.to_string_lossy().into_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(PathBuf::from(text))
    }
}

impl TextField for SocketAddr {
    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// An unset value is the empty string in the file.
impl<T: TextField> TextField for Option<T> {
    fn to_text(&self) -> String {
        self.as_ref().map(T::to_text).unwrap_or_default()
    }

    fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(None);
        }
        T::from_text(text).map(Some)
    }
}

macro_rules! choice {
    ($(#[$outer:meta])+ $Type:ident {$($(#[$inner:meta])+ $Variant:ident = $text:literal),+ $(,)?}) => {
        $(#[$outer])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $Type {$($(#[$inner])+ $Variant),+}

        impl $Type {
            /// Every value as the file writes it.
            pub const CHOICES: &[&str] = &[$($text),+];

            /// The value as the file writes it.
            pub const fn as_str(self) -> &'static str {
                match self {$(Self::$Variant => $text),+}
            }
        }

        impl TextField for $Type {
            fn to_text(&self) -> String {
                self.as_str().to_owned()
            }

            fn from_text(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$Variant),)+
                    _ => None,
                }
            }
        }
    };
}

choice! {
    /// When an acknowledged write is on disk.
    Durability {
        /// Before it is acknowledged; puts that wait at the same time share one sync.
        Always = "always",
        /// At most `storage.sync_interval_ms` later; a power loss can take what was not synced yet.
        Interval = "interval",
    }
}

choice! {
    /// Which of the other replicas a read asks.
    #[derive(Default)]
    ReadOrder {
        /// Those that are expected to answer first.
        #[default]
        Fastest = "fastest",
        /// Any.
        Random = "random",
    }
}

choice! {
    /// What a node does about load that is out of balance.
    Placement {
        /// Nothing.
        Off = "off",
        /// Say which command would balance it.
        Propose = "propose",
        /// Have owners exchange partitions.
        Auto = "auto",
    }
}

choice! {
    /// How a log line is written.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object per line, for log collectors.
        Json = "json",
    }
}
