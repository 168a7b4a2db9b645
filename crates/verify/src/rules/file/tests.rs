//! Mistakes with their places, and what is left out.

use super::*;
use downpour_core::fault::Fault;
use std::time::Duration;
use url::Host;

#[track_caller]
fn check(text: &str, place: (usize, usize), names: &str) {
    let error = Rules::parse(text, "my.toml").unwrap_err();
    let RulesError::Mistake(TomlError { origin, line, column, what }) = error else { panic!("{error}") };
    assert_eq!((origin.as_str(), (line, column)), ("my.toml", place), "{what}");
    assert!(what.contains(names), "{what:?} does not name {names:?}");
    assert!(!what.contains('\n'), "{what:?}");
}

fn with(line: &str) -> String {
    format!("[[rule]]\nmatch = \"/{{a}}\"\nstatus = 302\n{line}\n")
}

#[test]
fn mistakes_have_a_place_and_a_remedy() {
    check("[[rule]]\nmatch = \"a\"\nstatus = 302", (2, 9), "does not begin with /");
    check("[[rule]]\nmatch = \"/{a}{b}\"\nstatus = 302", (2, 9), "only one new name");
    check("[[rule]]\nstatus = 302", (1, 1), "missing field `match`");
    check("[[rule]]\nmatch = \"/\"", (1, 1), "missing field `status`");
    check("[[rule]]\nmatch = \"/\"\nstatus = []", (3, 10), "at least one");
    check("[[rule]]\nmatch = \"/\"\nstatus = [302, 999]", (3, 10), "100 to 599");
    check("[[rule]]\nmatch = \"/\"\nstatus = \"302\"", (3, 10), "a status such as 302");
    check("[[rules]]\nmatch = \"/\"", (1, 3), "`rules`");
    check(&with("loction = \"\""), (4, 1), "`location`");
    check(&with("scheme = \"ftp\""), (4, 10), "`https`, `http`");
    check(&with("relative = 1"), (4, 12), "true, false or \"only\"");
    check("[[rule", (1, 7), "");
    check(&with("level = \"info\""), (4, 9), "`warn`");
    check(&with("since = \"June\""), (4, 9), "2026-06-02");
    check(&with("headers.vary = { is = true, level = \"warn\", since = \"x\" }"), (4, 16), "2026-06-02");
    check(&with("headers.vary = { is = true, contains = \"x\" }"), (4, 16), "remove one of them");
    check(&with("headers.vary = { level = \"warn\" }"), (4, 16), "requires nothing");
    check("shape = 2", (1, 9), "reads 1");
    check("[[rule]]\nmatch = \"/{a:raw}\"\nstatus = 302", (2, 9), "allowed in templates only");
    check("[[rule]]\nmatch = \"/{a..}x\"\nstatus = 302", (2, 9), "whole segment");
    check(&with("location = \"/{a..}\""), (4, 12), "not a name");
    check(&with("location = \"/{a:utf8}\""), (4, 12), "pep503");
}

#[test]
fn each_key_tells_what_would_be_right() {
    check(&with("transitions = [\"200\"]"), (4, 16), "200 -> 302");
    check(&with("transitions = [\"2xx -> 302\", \"6xx -> 302\"]"), (4, 30), "4xx -> 302");
    check(&with("min_ttl = \"soon\""), (4, 11), "soon");
    check(&with("min_ttl = 60"), (4, 11), "string");
    check(&with("json = \"\""), (4, 8), "the name of the member is empty");
    check(&with("relative = \"both\""), (4, 12), "\"only\"");
    check(&with("location = \"https://h/\"\nrelative = \"only\""), (5, 12), "write /path");
    check(&with("headers.\"a b\" = true"), (4, 9), "not the name of a field");
    check(&with("headers.vary = 1"), (4, 16), "a list of texts");
    check(&with("headers.vary = { holds = \"accept\" }"), (4, 16), "contains, lacks, at_least");
    check(&with("headers.vary = {}"), (4, 16), "requires nothing of vary");
    check(&with("headers.vary = []"), (4, 16), "requires nothing of vary");
    check(&with("headers.x = { at_least = { max-age = \"1d\" } }"), (4, 13), "at_least");
}

#[test]
fn canonical_parts_are_parts_of_the_location() {
    let place = "location = \"https://h.example/{a}\"\n";
    check(&with("canonical.a = \"crates-io\""), (4, 11), "needs a location");
    check(&with(&format!("{place}canonical.b = \"crates-io\"")), (5, 11), "not captured by the pattern");
    check(&with(&format!("{place}canonical.a = \"cargo\"")), (5, 15), "`crates-io` or `pep503`");
    let without = "location = \"https://h.example/x?{a}\"\ncanonical.a = \"pep503\"";
    check(&with(without), (5, 11), "the path of the location has no {a}");
    assert!(Rules::parse(&with(&format!("{place}canonical.a = \"pep503\"")), "my.toml").is_ok());
}

#[test]
fn nothing_is_said_twice() {
    let twice = format!("{}[[rule]]\nmatch = \"/{{b}}\"\nstatus = 200", with(""));
    check(&twice, (6, 9), "earlier rule, which takes precedence: /{a}");
    check("[[rule]]\nmatch = \"/\"\nstatus = [302, 200, 302]", (3, 10), "302 is named twice");
    check(&with("hosts = [\"a.example\", \"A.example\"]"), (4, 23), "named twice");
    check(&with("transitions = [\"200 -> 302\", \"200->302\"]"), (4, 30), "named twice");
    check(&with("headers.vary = true\nheaders.Vary = true"), (5, 9), "vary is named twice");
    check(&with("json = \"a\"\njson = \"b\""), (5, 1), "duplicate key");
    check(&with("headers.vary = true\nheaders.vary = true"), (5, 9), "duplicate key");
}

#[test]
fn every_key_is_read() {
    let text = concat!(
        "transitions = [\"200 -> 302\", \"4xx -> 302\"]\nmin_ttl = \"5m\"\njson = \"url\"\nrelative = \"only\"\n",
        "[rule.headers]\nvary = { contains = \"accept\" }\netag = true\nset-cookie = false\nserver = \"a\"\n",
        "content-type = [\"a/b\", \"c/d\"]\n",
        "cache-control = { contains = [\"public\"], lacks = \"private\", at_least = { max-age = 1 }, at_most = { s-maxage = 2 } }",
    );
    let rule = Rules::parse(&with(text), "x").unwrap().rules.remove(0);
    let told = (rule.min_ttl, rule.json.as_deref(), rule.relative);
    assert_eq!(told, (Some(Duration::from_mins(5)), Some("url"), Relative::Only));
    assert!(rule.transitions.unwrap().list(404, 302));
    let demands: Vec<String> = rule.headers.iter().map(ToString::to_string).collect();
    assert_eq!(
        demands,
        [
            "vary must contain accept",
            "etag must be present",
            "set-cookie must be absent",
            "server must be a",
            "content-type must be a/b or c/d",
            "cache-control must contain public and not contain private and contain max-age of 1 or more \
             and contain s-maxage of 2 or less",
        ]
    );
    assert_eq!(rule.headers[0].fault(), Fault::HeadersVary);
    assert!(Rules::parse("shape = 1", "x").unwrap().is_empty());
}

#[test]
fn locations_and_hosts_are_checked_when_they_are_read() {
    check(&with("location = \"https://h/{b}\""), (4, 12), "{b} is not captured");
    check(&with("location = \"h/{a}\""), (4, 12), "write https://host/path");
    check(&with("location = \"//h/{a}\""), (4, 12), "write https://host/path");
    check(&with("location = \"ftp://h/{a}\""), (4, 12), "https:// or http://");
    check(&with("location = \"https://h{a}\""), (4, 12), "needs a path");
    check(&with("location = \"https://{a}.h/\""), (4, 12), "a host without");
    check(&with("location = \"https://u@h/\""), (4, 12), "a host without");
    check(&with("location = \"https:///{a}\""), (4, 12), "no valid host");
    check(&with("location = \"https://a b/{a}\""), (4, 12), "no valid host");
    check(&with("hosts = [\"ok\", \"not ok\"]"), (4, 16), "\"not ok\" is not a host");
    check(&with("hosts = [\"h:80\"]"), (4, 10), "without a port");
    check(&with("location = \"http://h/\"\nscheme = \"https\""), (5, 10), "another scheme");
}

#[test]
fn what_is_left_out_has_a_meaning() {
    let rule = |line: &str| Rules::parse(&with(line), "x").unwrap().rules.remove(0);
    let absolute = rule("location = \"http://H:81/{a}\"");
    assert_eq!((absolute.relative, absolute.scheme), (Relative::Never, Some(Scheme::Http)));
    let authority = absolute.location.unwrap().authority;
    assert_eq!(authority, Some(Authority { host: Host::Domain("h".to_owned()), port: Some(81) }));
    let own = rule("location = \"/x/{a}\"");
    assert_eq!((own.relative, own.scheme), (Relative::Allowed, None));
    assert_eq!(own.location.unwrap().authority, None);
    let hosts_only = rule("hosts = [\"A.example\"]");
    assert_eq!((hosts_only.relative, hosts_only.scheme), (Relative::Never, Some(Scheme::Https)));
    assert_eq!(hosts_only.hosts, [HostPattern::Exact(Host::Domain("a.example".to_owned()))]);
    assert_eq!(rule("scheme = \"any\"").scheme, Some(Scheme::Any));
    assert_eq!(rule("relative = true").statuses, [302]);
}

#[test]
fn rules_are_loaded_by_name_or_path() {
    assert_eq!(Rules::load("crates-io").unwrap().len(), 2);
    assert!(matches!(Rules::load("crates-oi"), Err(RulesError::UnknownSet { .. })));
    assert!(matches!(Rules::load("no/such.toml"), Err(RulesError::Read { .. })));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.toml");
    std::fs::write(&path, with("")).unwrap();
    assert_eq!(Rules::load(path.to_str().unwrap()).unwrap().len(), 1);
    std::fs::write(&path, vec![b'#'; usize::try_from(FILE_BYTES_MAX).unwrap() + 1]).unwrap();
    assert!(matches!(Rules::load(path.to_str().unwrap()), Err(RulesError::TooLarge { .. })));
}
