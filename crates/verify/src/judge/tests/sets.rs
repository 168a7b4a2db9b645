//! The built-in sets against answers as their services give them, and against
//! the mistakes that each set is there to find.

use super::*;

type Line = (&'static str, u16, &'static str, Option<Fault>);

const SIGNED: &str = "X-Amz-Date=20231120T101400Z&X-Amz-Expires=1200&X-Amz-Signature=00";
const ENDED: &str = "X-Amz-Date=20231120T091400Z&X-Amz-Expires=1200&X-Amz-Signature=00";

/// Each target, status and Location comes to that fault. `SIGNED` and `ENDED`
/// in a Location stand for signatures.
#[track_caller]
fn check_set(set: &str, fields: &[(&'static str, &'static str)], lines: &[Line]) {
    let mut judge = judge_of(Rules::builtin(set).unwrap(), "https://candidate.example");
    let mut headers = HeaderMap::new();
    for &(name, value) in fields {
        headers.append(name, HeaderValue::from_static(value));
    }
    for &(target, status, location, expected) in lines {
        let location = location.replace("SIGNED", SIGNED).replace("ENDED", ENDED);
        let locations =
            if location.is_empty() { Locations::None } else { Locations::One(location.as_bytes()) };
        let asked = JudgedRequest { target: target.as_bytes(), recorded_status: None };
        let judgement =
            judge.judge(&asked, &JudgedResponse { status, locations, headers: &headers, at: NOW });
        assert_eq!(judgement.findings.outcome(), expected, "{set}: {target} {status} {location}");
    }
}

/// An answer without further fields passes, with that warning and no other.
#[track_caller]
fn check_warning(set: &str, (target, status, location): (&str, u16, &str), expected: Fault) {
    let mut judge = judge_of(Rules::builtin(set).unwrap(), "https://candidate.example");
    let (asked, headers) =
        (JudgedRequest { target: target.as_bytes(), recorded_status: None }, HeaderMap::new());
    let locations = Locations::One(location.as_bytes());
    let mut found =
        judge.judge(&asked, &JudgedResponse { status, locations, headers: &headers, at: NOW }).findings;
    let warned: Vec<_> = found.take_warnings().into_iter().map(|warning| warning.fault).collect();
    assert_eq!((found.outcome(), warned), (None, vec![expected]), "{set}");
}

/// Builds of crates.io from before 2026-06-02.
#[test]
fn an_older_build_of_crates_io_passes_with_a_warning() {
    check_warning("crates-io", (CRATE, 302, GOOD), Fault::HeadersVary);
}

#[test]
fn blobs_of_a_container_registry() {
    use Fault::{LocationDowngrade, LocationExpired, StatusUnexpected};
    let blob = "/v2/library/nested/alpine/blobs/sha256:00";
    check_set(
        "oci",
        &[],
        &[
            (blob, 200, "", None),
            (blob, 307, "https://bucket.s3.example/x/data?SIGNED", None),
            (blob, 307, "https://bucket.s3.example/x/data?ENDED", Some(LocationExpired)),
            (blob, 307, "http://bucket.s3.example/x/data?SIGNED", Some(LocationDowngrade)),
            // As quay.io and Google's Artifact Registry answer.
            (
                blob,
                302,
                "https://cdn.quay.example/sha256/aa?Expires=4102444800&Signature=s&Key-Pair-Id=k",
                None,
            ),
            (blob, 302, "/artifacts-downloads/namespaces/x/repositories/y/downloads/AK-Token==", None),
            (blob, 308, "https://bucket.s3.example/x/data?SIGNED", None),
            (blob, 204, "", Some(StatusUnexpected)),
            ("/v2/library/alpine/manifests/latest", 200, "", None),
        ],
    );
}

#[test]
fn pages_of_a_python_index() {
    use Fault::{
        LocationAbsolute, LocationEncoding, LocationLoop, LocationMismatch, LocationWrongHost,
        StatusUnexpected,
    };
    let (page, file) = ("/simple/Zope.Interface/", "/packages/ab/cd/ef/x-1.0+local.whl");
    check_set(
        "pypi",
        &[],
        &[
            (page, 200, "", None),
            (page, 301, "/simple/zope-interface/", None),
            (page, 301, "../zope-interface/", None),
            (page, 301, "https://candidate.example/simple/zope-interface/", Some(LocationAbsolute)),
            (page, 301, "/simple/zope.interface/", Some(LocationMismatch)),
            (page, 301, "/simple/zope-interface", Some(LocationMismatch)),
            (page, 301, "/simple/Zope.Interface/", Some(LocationLoop)),
            (page, 302, "/simple/zope-interface/", Some(StatusUnexpected)),
            ("/simple/numpy", 301, "/simple/numpy/", None),
            (file, 301, "https://files.pythonhosted.org/packages/ab/cd/ef/x-1.0+local.whl", None),
            (
                file,
                301,
                "https://files.pythonhosted.org/packages/ab/cd/ef/x-1.0%2Blocal.whl",
                Some(LocationEncoding),
            ),
            (file, 301, "https://files.example/packages/ab/cd/ef/x-1.0+local.whl", Some(LocationWrongHost)),
        ],
    );
    let old = "/packages/py3/n/numpy/numpy-1.0.whl";
    let to = "https://files.pythonhosted.org/packages/ab/cd/ef/numpy-1.0.whl";
    let week = ("cache-control", "max-age=604800, public");
    check_set("pypi-files", &[week], &[(old, 302, to, None), (old, 200, "", None)]);
    check_set("pypi-files", &[], &[(old, 302, to, None)]);
    check_warning("pypi-files", (old, 302, to), Fault::HeadersCacheControl);
}

#[test]
fn archives_of_an_npm_registry() {
    use Fault::LocationDowngrade;
    let (plain, scoped) = ("/left-pad/-/left-pad-1.3.0.tgz", "/@types/node/-/node-20.0.0.tgz");
    check_set(
        "npm",
        &[],
        &[
            (plain, 200, "", None),
            (plain, 302, "https://cdn.example/left-pad-1.3.0.tgz", None),
            (scoped, 302, "http://cdn.example/node-20.0.0.tgz", Some(LocationDowngrade)),
            ("/@types%2fnode/-/node-20.0.0.tgz", 301, "https://cdn.example/x", None),
            (plain, 302, "/files/left-pad-1.3.0.tgz", None),
        ],
    );
}

#[test]
fn assets_of_a_release() {
    use Fault::{LocationExpired, LocationWrongHost};
    let asset = "/o/r/releases/download/tag/with/slash/x.tar.gz";
    let kept = [("cache-control", "no-cache")];
    check_set(
        "github-releases",
        &kept,
        &[
            (asset, 302, "https://release-assets.githubusercontent.com/1/2?SIGNED", None),
            (asset, 302, "https://objects.githubusercontent.com/1/2?ENDED", Some(LocationExpired)),
            (asset, 302, "https://evil.example/1/2?SIGNED", Some(LocationWrongHost)),
        ],
    );
    let line = (asset, 302, "https://objects.githubusercontent.com/1");
    check_warning("github-releases", line, Fault::HeadersCacheControl);
}

#[test]
fn files_of_a_model() {
    use Fault::{LocationExpired, LocationWrongHost};
    let file = "/owner/model/resolve/main/sub/model.safetensors";
    check_set(
        "huggingface",
        &[],
        &[
            (file, 200, "", None),
            (file, 302, "https://cas-bridge.xethub.hf.co/x?SIGNED", None),
            (file, 302, "https://us.aws.cdn.hf.co/xet-bridge-us/0123/4567?SIGNED", None),
            (file, 302, "https://cdn-lfs.hf.co/x?ENDED", Some(LocationExpired)),
            (file, 307, "/new/model/resolve/main/sub/model.safetensors", None),
            (file, 302, "https://hf.co.evil.example/x", Some(LocationWrongHost)),
            ("/gpt2/resolve/main/config.json", 307, "/api/cache/x", None),
            ("/datasets/o/d/resolve/main/a/b", 302, "https://evil.example/x", Some(LocationWrongHost)),
        ],
    );
}
