//! The one integration test binary: each module tests a chapter, or the
//! program, from outside.

mod report;
mod support;
mod tidy;
mod verify;
