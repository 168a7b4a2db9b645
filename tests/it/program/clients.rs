//! `downpour clients`: the list, one table, and files of one's own.

use super::Call;

#[test]
fn the_list_fits_a_terminal_and_each_name_in_it_has_a_table() {
    let list = Call::new(&["clients"]).run();
    assert_eq!((list.code, list.stderr.as_str()), (Some(0), ""));
    assert_eq!(list.stdout.lines().find(|line| line.chars().count() > 80), None);
    let is_name = |line: &&str| !line.starts_with(' ');
    let names: Vec<&str> =
        list.stdout.lines().skip(1).filter(is_name).filter_map(|line| line.split(' ').next()).collect();
    assert!(names.len() >= 20 && names.contains(&"cargo-1.70"), "{names:?}");
    for name in ["cargo-1.70", "pip", "none"] {
        let table = Call::new(&["clients", name]).run();
        assert_eq!((table.code, table.stderr.as_str()), (Some(0), ""));
        assert!(table.stdout.contains(&format!("name = \"{name}\"")), "{}", table.stdout);
        assert!(table.stdout.contains("source = ["), "{}", table.stdout);
    }
}

#[test]
fn a_file_adds_clients() {
    let own = "[[client]]\nname = \"ours\"\nattempts = 3\ndelays = [\"2s\"]\nfaults = [\"dns\"]\n";
    let list = Call::new(&["clients", "--client-file", "own.toml"]).file("own.toml", own).run();
    assert_eq!(list.code, Some(0), "{}", list.stderr);
    assert!(list.stdout.starts_with("own.toml: 1 client, no mistakes\n"), "{}", list.stdout);
    let line = list.stdout.lines().find(|line| line.starts_with("ours ")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["ours", "3", "start", "2", "dns"]);
}

#[test]
fn mistakes_name_the_file_the_place_and_the_field() {
    Call::new(&["clients", "carog"])
        .refused(2, &["\"carog\"", "did you mean cargo?", "cargo-1.89", "--client-file"]);
    Call::new(&["clients", "--client-file", "none.toml"])
        .refused(2, &["failed to read none.toml", "--client-file"]);
    let endless = "[[client]]\nname = \"ours\"\nattempts = 0\n";
    let call = Call::new(&["clients", "--client-file", "own.toml"]).file("own.toml", endless);
    call.refused(2, &["error: own.toml:3:12: attempts: must be 1 to 100, but is 0"]);
}
