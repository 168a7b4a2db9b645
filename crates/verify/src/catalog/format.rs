//! What a line of a catalogue means.
//!
//! Three spellings, told apart by the first line of a file: JSON objects with
//! `name`, `version`, `size` and `sha256`; those of a cargo index, which says
//! `vers` and `cksum`; CSV whose first line names the same columns in any order.
//! A mistake names its field.

use super::CatalogEntry;
use downpour_core::route::hex_pair;
use serde::Deserialize;
use std::borrow::Cow;

/// Digits of a SHA-256.
const DIGEST_DIGITS: usize = 64;

/// One file, as a line lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogRecord<'l> {
    /// Its name.
    pub name: Cow<'l, str>,
    /// Its version.
    pub version: Cow<'l, str>,
    /// What else is said of it.
    pub entry: CatalogEntry,
}

/// How the lines of a file are spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogFormat {
    /// A JSON object a line.
    Json,
    /// Fields with commas between them, in this order.
    Csv(Vec<Option<CatalogColumn>>),
}

/// What a column of CSV holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogColumn {
    /// The name.
    Name,
    /// The version.
    Version,
    /// The size in bytes.
    Size,
    /// The SHA-256 in hexadecimal digits.
    Sha256,
}

#[derive(Deserialize)]
struct JsonLine<'l> {
    #[serde(borrow)]
    name: Option<Cow<'l, str>>,
    #[serde(borrow, alias = "vers")]
    version: Option<Cow<'l, str>>,
    size: Option<u64>,
    #[serde(borrow, alias = "cksum")]
    sha256: Option<Cow<'l, str>>,
}

impl CatalogFormat {
    /// The spelling of a file that begins with `line`.
    pub fn of(line: &str) -> Result<Self, String> {
        if line.trim_start().starts_with('{') {
            return Ok(Self::Json);
        }
        let names = fields(line)?;
        let columns: Vec<Option<CatalogColumn>> =
            names.iter().map(|name| CatalogColumn::named(name)).collect();
        // Columns of other names may repeat: nobody reads them.
        for (at, column) in columns.iter().enumerate().filter(|(_, column)| column.is_some()) {
            if let Some(earlier) = columns.iter().take(at).position(|other| other == column) {
                return Err(twice(&names, earlier, at));
            }
        }
        for (column, name) in [(CatalogColumn::Name, "name"), (CatalogColumn::Version, "version")] {
            if !columns.contains(&Some(column)) {
                return Err(format!(
                    "there is no column {name}; write a first line such as name,version,size,sha256, or one \
                     JSON object per line"
                ));
            }
        }
        Ok(Self::Csv(columns))
    }

    /// Whether the first line of a file lists a file, or names columns.
    pub const fn has_header(&self) -> bool {
        matches!(self, Self::Csv(_))
    }

    /// What `line` lists; a mistake says what is wrong with which field.
    pub fn parse<'l>(&self, line: &'l str) -> Result<CatalogRecord<'l>, String> {
        match self {
            Self::Json => {
                let line: JsonLine<'l> = serde_json::from_str(line).map_err(|error| error.to_string())?;
                record(line.name, line.version, line.size, line.sha256.as_deref())
            }
            Self::Csv(columns) => record_from_columns(columns, fields(line)?),
        }
    }
}

impl CatalogColumn {
    fn named(name: &str) -> Option<Self> {
        match name.trim() {
            "name" => Some(Self::Name),
            "version" | "vers" => Some(Self::Version),
            "size" => Some(Self::Size),
            "sha256" | "cksum" => Some(Self::Sha256),
            _ => None,
        }
    }
}

/// Columns that mean the same, of which one would win unseen.
fn twice(names: &[Cow<'_, str>], earlier: usize, at: usize) -> String {
    let name = |at: usize| names.get(at).map_or("", |name| name.trim());
    format!(
        "columns {} ({:?}) and {} ({:?}) mean the same: remove one of them",
        earlier + 1,
        name(earlier),
        at + 1,
        name(at)
    )
}

fn record_from_columns<'l>(
    columns: &[Option<CatalogColumn>],
    fields: Vec<Cow<'l, str>>,
) -> Result<CatalogRecord<'l>, String> {
    if fields.len() != columns.len() {
        return Err(format!("it has {} fields, but the first line has {}", fields.len(), columns.len()));
    }
    let (mut name, mut version, mut size, mut sha256) = (None, None, None, None);
    for (column, field) in columns.iter().zip(fields) {
        let field = Some(field).filter(|field| !field.is_empty());
        match column {
            Some(CatalogColumn::Name) => name = field,
            Some(CatalogColumn::Version) => version = field,
            Some(CatalogColumn::Size) => size = field,
            Some(CatalogColumn::Sha256) => sha256 = field,
            None => {}
        }
    }
    let size = size.map(|size| size.parse().map_err(|_| format!("size: {size:?} is not a number of bytes")));
    record(name, version, size.transpose()?, sha256.as_deref())
}

fn record<'l>(
    name: Option<Cow<'l, str>>,
    version: Option<Cow<'l, str>>,
    size: Option<u64>,
    sha256: Option<&str>,
) -> Result<CatalogRecord<'l>, String> {
    let given = |value: Option<Cow<'l, str>>, field: &str| {
        value.filter(|value| !value.is_empty()).ok_or_else(|| format!("{field} is missing"))
    };
    let wrong = || "sha256: write it as 64 hexadecimal digits".to_owned();
    let sha256 = sha256.map(|digits| digest(digits).ok_or_else(wrong)).transpose()?;
    Ok(CatalogRecord {
        name: given(name, "name")?,
        version: given(version, "version")?,
        entry: CatalogEntry { size, sha256 },
    })
}

fn digest(digits: &str) -> Option<[u8; 32]> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    if digits.len() != DIGEST_DIGITS {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = hex_pair(*high, *low)?;
    }
    Some(bytes)
}

/// The fields of a line of CSV (RFC 4180 §2), none of which goes over its end.
fn fields(line: &str) -> Result<Vec<Cow<'_, str>>, String> {
    let mut found = Vec::new();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let field = match text.strip_prefix('"') {
            None => {
                let (field, after) = text.split_once(',').map_or((text, None), |(f, after)| (f, Some(after)));
                rest = after;
                Cow::Borrowed(field.trim())
            }
            Some(quoted) => {
                let (field, after) = unquoted(quoted).ok_or("a quoted field has no closing quote")?;
                rest = match after.strip_prefix(',') {
                    None if after.trim().is_empty() => None,
                    None => return Err("there is text after a quoted field".to_owned()),
                    more => more,
                };
                field
            }
        };
        found.push(field);
    }
    Ok(found)
}

/// A quoted field, and what stands behind its end. Two quotes are one.
fn unquoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (mut field, mut rest) = text.split_once('"').map(|(field, rest)| (Cow::Borrowed(field), rest))?;
    while let Some(more) = rest.strip_prefix('"') {
        let (piece, after) = more.split_once('"')?;
        let whole = field.to_mut();
        whole.push('"');
        whole.push_str(piece);
        rest = after;
    }
    Some((field, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";

    fn counted() -> [u8; 32] {
        std::array::from_fn(|n| u8::try_from(n).unwrap())
    }

    #[track_caller]
    fn check(first: &str, line: &str, expected: (&str, &str, Option<u64>, bool)) {
        let listed = CatalogFormat::of(first).unwrap();
        let listed = listed.parse(line).unwrap();
        let (name, version, size, has_digest) = expected;
        assert_eq!((&*listed.name, &*listed.version), (name, version));
        assert_eq!(listed.entry, CatalogEntry { size, sha256: has_digest.then(counted) });
    }

    #[test]
    fn files_as_lists_spell_them() {
        let json = |line: &str, expected| check("{}", &line.replace("DIGITS", DIGITS), expected);
        json(r#"{"name":"a","version":"1","size":7,"sha256":"DIGITS"}"#, ("a", "1", Some(7), true));
        json(r#"{"name":"a","version":"1"}"#, ("a", "1", None, false));
        json(
            r#"{"name":"\u0061","vers":"1","deps":[{}],"cksum":"DIGITS","yanked":false}"#,
            ("a", "1", None, true),
        );
        let csv = |first: &str, line: &str, expected| check(first, &line.replace("DIGITS", DIGITS), expected);
        csv("name,version,size,sha256", "a,1,7,DIGITS", ("a", "1", Some(7), true));
        csv("sha256, version ,more,name", "DIGITS, 1 ,x,a", ("a", "1", None, true));
        csv("name,version,size,sha256", "a,1,,", ("a", "1", None, false));
        csv("\"name\",\"version\"", "\"a\"\"b,c\",\"1\"", ("a\"b,c", "1", None, false));
    }

    #[track_caller]
    fn check_mistake(first: &str, line: &str, part: &str) {
        let mistake =
            CatalogFormat::of(first).and_then(|spelling| spelling.parse(line).map(|_| ())).unwrap_err();
        assert!(mistake.contains(part), "{mistake}");
    }

    #[test]
    fn mistakes_name_their_field() {
        check_mistake("name,vers1on", "", "no column version; write a first line");
        check_mistake("", "", "no column name");
        check_mistake("name,version,size,name", "", "columns 1 (\"name\") and 4 (\"name\") mean the same");
        check_mistake("x,x,name,vers, version", "", "columns 4 (\"vers\") and 5 (\"version\") mean the same");
        check_mistake("name,version", "a", "1 fields, but the first line has 2");
        check_mistake("name,version", "a,", "version is missing");
        check_mistake("name,version", "\"a,1", "no closing quote");
        check_mistake("name,version", "\"a\"b,1", "after a quoted field");
        check_mistake("name,version,size", "a,1,-1", "size: \"-1\"");
        check_mistake("name,version,sha256", "a,1,00", "sha256: write it as 64");
        check_mistake("name,version,sha256", &format!("a,1,{}", "g".repeat(64)), "sha256");
        check_mistake("{", "{", "EOF");
        check_mistake("{", r#"{"version":"1"}"#, "name is missing");
        check_mistake("{", r#"{"name":"a","version":"1","size":"7"}"#, "expected u64");
        check_mistake("{", r#"{"name":"a","version":"1","cksum":"é"}"#, "sha256");
    }
}
