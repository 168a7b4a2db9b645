//! What the formats made of JSON share: lenient leaves, named reasons.
//!
//! Text is borrowed from the line where it holds no escape. A leaf of another
//! type than expected is left to its reader, who knows the right reason; bytes
//! that are not UTF-8 only matter in a field that is needed.

use crate::client::{ClientKey, ClientKeys};
use crate::reasons::Reject;
use crate::target::is_token;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use std::borrow::Cow;
use std::fmt;

/// Text, borrowed where it can be. (serde borrows a bare `Cow`, but not one in
/// an `Option`.)
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct JsonText<'l>(#[serde(borrow)] pub(crate) Cow<'l, str>);

/// A whole number, or a string of its digits; anything else is `Other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonNumber {
    Whole(i64),
    Other,
}

impl JsonNumber {
    /// The number, if it is one and not negative.
    pub(crate) fn unsigned(self) -> Option<u64> {
        match self {
            Self::Whole(number) => u64::try_from(number).ok(),
            Self::Other => None,
        }
    }
}

impl<'de> Deserialize<'de> for JsonNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = JsonNumber;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_i64<E>(self, number: i64) -> Result<JsonNumber, E> {
        Ok(JsonNumber::Whole(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<JsonNumber, E> {
        Ok(i64::try_from(number).map_or(JsonNumber::Other, JsonNumber::Whole))
    }

    fn visit_f64<E>(self, _: f64) -> Result<JsonNumber, E> {
        Ok(JsonNumber::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<JsonNumber, E> {
        Ok(JsonNumber::Other)
    }

    fn visit_str<E>(self, digits: &str) -> Result<JsonNumber, E> {
        Ok(digits.parse().map_or(JsonNumber::Other, JsonNumber::Whole))
    }
}

/// What stands for a client: a text, a key that was made of one, or nobody.
/// Anything may stand here; it is no reason to lose the line.
#[derive(Debug)]
pub(crate) enum ClientField<'l> {
    Text(Cow<'l, str>),
    Key(u64),
    Missing,
}

impl ClientField<'_> {
    /// The text, where it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Key(_) | Self::Missing => None,
        }
    }

    /// The client's key.
    pub(crate) fn key(&self, clients: ClientKeys) -> Option<ClientKey> {
        match self {
            Self::Text(text) => clients.of(text.as_bytes()),
            Self::Key(key) => ClientKey::new(*key),
            Self::Missing => None,
        }
    }
}

impl<'de: 'l, 'l> Deserialize<'de> for ClientField<'l> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClientFieldVisitor)
    }
}

struct ClientFieldVisitor;

impl<'de> Visitor<'de> for ClientFieldVisitor {
    type Value = ClientField<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a client")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<ClientField<'de>, E> {
        Ok(ClientField::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<ClientField<'de>, E> {
        Ok(ClientField::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, key: u64) -> Result<ClientField<'de>, E> {
        Ok(ClientField::Key(key))
    }

    fn visit_i64<E>(self, _: i64) -> Result<ClientField<'de>, E> {
        Ok(ClientField::Missing)
    }

    fn visit_f64<E>(self, _: f64) -> Result<ClientField<'de>, E> {
        Ok(ClientField::Missing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<ClientField<'de>, E> {
        Ok(ClientField::Missing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<ClientField<'de>, A::Error> {
        IgnoredAny.visit_seq(list).map(|_| ClientField::Missing)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ClientField<'de>, A::Error> {
        IgnoredAny.visit_map(map).map(|_| ClientField::Missing)
    }
}

/// The line as a `T`, or why it is none.
pub(crate) fn read<'l, T: Deserialize<'l>>(text: &'l [u8]) -> Result<T, Reject> {
    serde_json::from_slice(text).map_err(|error| match error.classify() {
        Category::Eof => Reject::Truncated,
        Category::Syntax | Category::Data | Category::Io if std::str::from_utf8(text).is_err() => {
            Reject::InvalidUtf8
        }
        Category::Syntax | Category::Data | Category::Io => Reject::BadJson,
    })
}

/// The method's bytes: borrowed, or one of those that exist.
pub(crate) fn method_of(text: Cow<'_, str>) -> Result<&[u8], Reject> {
    match text {
        Cow::Borrowed(method) if is_token(method.as_bytes()) => Ok(method.as_bytes()),
        // Nobody writes a method with escapes. Where one does, the known ones
        // are told apart and no others.
        Cow::Owned(method) => match method.as_str() {
            "GET" => Ok(b"GET"),
            "HEAD" => Ok(b"HEAD"),
            _ => Err(Reject::BadMethod),
        },
        Cow::Borrowed(_) => Err(Reject::BadMethod),
    }
}
