//! Integration tests, one binary: they use the library as its users do.

#[cfg(test)]
mod report;
