//! The shape of a key's declaration, and the macro that turns the list of declarations into the typed [`Config`],
//! its defaults and the table [`SECTIONS`](super::SECTIONS) that everything else walks.

use super::{Config, Fault, Rule, Setting, rule::Verdict};

/// One `[section]` of the configuration.
#[derive(Debug)]
pub struct Section {
    /// Its name, as between the brackets.
    pub name: &'static str,
    /// What its keys are about.
    pub doc: &'static str,
    /// Its keys, in the order of the reference.
    pub keys: &'static [Key],
}

/// One key of the configuration: all that is known about it except its value.
#[derive(Debug)]
pub struct Key {
    /// `section.name`
    pub path: &'static str,
    /// The section it stands in.
    pub section: &'static str,
    /// Its name in that section; a number's name ends with its unit.
    pub name: &'static str,
    /// What its number counts, or empty.
    pub unit: &'static str,
    /// Which values it takes.
    pub rule: Rule,
    /// What it does.
    pub doc: &'static str,
    /// How to choose it.
    pub choose: &'static str,
    pub(super) read: fn(&Config) -> Setting,
    pub(super) write: fn(&mut Config, &Setting) -> bool,
}

impl Key {
    /// The environment variable that overrides it.
    pub fn variable(&self) -> String {
        let (section, name) = (self.section.to_uppercase(), self.name.to_uppercase());
        format!("{}{section}__{name}", super::ENVIRONMENT_PREFIX)
    }

    /// Its value in `config`.
    pub fn read(&self, config: &Config) -> Setting {
        (self.read)(config)
    }

    /// Its value where nothing is configured.
    pub fn default_setting(&self) -> Setting {
        self.read(&Config::default())
    }

    /// Sets it in `config`; false, and nothing changed, if its type has no such value.
    pub(super) fn write(&self, config: &mut Config, setting: &Setting) -> bool {
        (self.write)(config, setting)
    }

    /// What is wrong with `setting`, which its author wrote as `value`.
    pub(super) fn fault(&self, setting: &Setting, value: String) -> Option<Fault> {
        match self.rule.verdict(setting) {
            Verdict::Fits => None,
            Verdict::WrongType => Some(self.wrong_type(value)),
            Verdict::NotAllowed => Some(self.not_allowed(value)),
        }
    }

    pub(super) fn wrong_type(&self, value: String) -> Fault {
        Fault::WrongType {
            key: self.path.to_owned(),
            value,
            expected: self.rule.expected(),
            allowed: self.rule.allowed(),
        }
    }

    pub(super) fn not_allowed(&self, value: String) -> Fault {
        let (key, allowed) = (self.path.to_owned(), self.rule.allowed());
        if self.rule.is_range() {
            Fault::OutOfRange { key, value, allowed }
        } else {
            Fault::NotAllowed { key, value, allowed }
        }
    }
}

/// Declares `Config`, a struct per section with its `Default`, and the table `SECTIONS`, from one entry per key:
///
/// ```text
/// /// What the section is about.
/// [section] SectionType {
///     /// What the key does.
///     name: Type = default, unit "ms", within Rule::..., choose "how to choose it";
/// }
/// ```
macro_rules! declare_config {
    ($(
        $(#[doc = $section_doc:literal])+
        [$section:ident] $Section:ident {$(
            $(#[doc = $doc:literal])+
            $name:ident: $Type:ty = $default:expr,
                unit $unit:literal, within $rule:expr,
                choose $choose:literal;
        )+}
    )+) => {
        /// A node's whole configuration; [`Default`] is what a node without a file runs with.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct Config {$(
            $(#[doc = $section_doc])+
            pub $section: $Section,
        )+}

        $(
            $(#[doc = $section_doc])+
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $Section {$(
                $(#[doc = $doc])+
                #[doc = ""]
                #[doc = $choose]
                pub $name: $Type,
            )+}

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($name: $default),+ }
                }
            }
        )+

        /// Every section of the configuration with its keys, in the order of the reference.
        pub static SECTIONS: &[Section] = &[$(
            Section {
                name: stringify!($section),
                doc: concat!($($section_doc),+).trim_ascii(),
                keys: &[$(
                    Key {
                        path: concat!(stringify!($section), ".", stringify!($name)),
                        section: stringify!($section),
                        name: stringify!($name),
                        unit: $unit,
                        rule: $rule,
                        doc: concat!($($doc),+).trim_ascii(),
                        choose: $choose,
                        read: |config| config.$section.$name.to_setting(),
                        write: |config, setting| match Field::from_setting(setting) {
                            Some(value) => {
                                config.$section.$name = value;
                                true
                            }
                            None => false,
                        },
                    },
                )+],
            },
        )+];
    };
}

pub(super) use declare_config;
