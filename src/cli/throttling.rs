//! How long a cgroup's processor limit has stopped this process.
//!
//! The limit may be the process's own cgroup's or any above it, as a pod's is
//! above its containers', so all levels that can be seen are read, under both
//! versions of cgroups. In a container the path that the kernel tells may be
//! the host's, and what is mounted the container's; then the mount's root is
//! the level that counts. What cannot be read is not known, which is no error.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// The counters of each level as they stood when the run began.
#[derive(Debug)]
pub(super) struct Throttling(Vec<(PathBuf, Duration)>);

impl Throttling {
    /// Reads the counters. The roots are `/proc` and `/sys/fs/cgroup`.
    pub(super) fn watch(proc_root: &Path, cgroup_root: &Path) -> Self {
        let own = fs::read_to_string(proc_root.join("self/cgroup")).unwrap_or_default();
        let files = levels(&own).into_iter().map(|level| cgroup_root.join(level).join("cpu.stat"));
        Self(files.filter_map(|file| read(&file).map(|before| (file, before))).collect())
    }

    /// For how long this process was stopped since then, by the level that
    /// stopped it longest; `None` where no level tells. The kernel sums over
    /// cores, so it may be more than the time that has passed.
    pub(super) fn so_far(&self) -> Option<Duration> {
        self.0.iter().filter_map(|(file, before)| Some(read(file)?.saturating_sub(*before))).max()
    }
}

fn read(file: &Path) -> Option<Duration> {
    throttled(&fs::read_to_string(file).ok()?)
}

/// The directories below the mount point that may limit a process whose
/// `/proc/self/cgroup` this is.
fn levels(own: &str) -> Vec<PathBuf> {
    let mut levels = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        // Version 2 has no list of controllers; version 1 mounts each list.
        let mounts = match controllers {
            "" => ["", "unified"],
            list if list.split(',').any(|name| name == "cpu") => [list, "cpu"],
            _ => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        // A cgroup outside of what this process may see is shown with `..`.
        let is_seen = path.components().all(|part| matches!(part, Component::Normal(_)));
        let path = if is_seen { path } else { Path::new("") };
        for mount in mounts {
            levels.extend(path.ancestors().map(|level| Path::new(mount).join(level)));
        }
    }
    levels.dedup();
    levels
}

/// The time in a `cpu.stat`: microseconds in version 2, nanoseconds in 1.
fn throttled(stat: &str) -> Option<Duration> {
    stat.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        let value = value.trim().parse().ok()?;
        match name {
            "throttled_usec" => Some(Duration::from_micros(value)),
            "throttled_time" => Some(Duration::from_nanos(value)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = "usage_usec 9\nnr_periods 8\nnr_throttled 7\nthrottled_usec 2500\nnr_bursts 0\n";
    const V1: &str = "nr_periods 8\nnr_throttled 7\nthrottled_time 1500000\n";

    #[test]
    fn both_versions_tell_their_time() {
        let check =
            |stat, micros: Option<u64>| assert_eq!(throttled(stat), micros.map(Duration::from_micros));
        check(V2, Some(2_500));
        check(V1, Some(1_500));
        // The root of version 2 has no limit and no such line.
        check("usage_usec 9\nuser_usec 5\nsystem_usec 4\n", None);
        check("throttled_usec many\n", None);
        check("throttled_usec -1\n", None);
        check("", None);
    }

    #[track_caller]
    fn check(own: &str, expected: &[&str]) {
        assert_eq!(levels(own), expected.iter().map(PathBuf::from).collect::<Vec<_>>(), "{own}");
    }

    #[test]
    fn all_levels_are_looked_at() {
        check("0::/a/b.scope\n", &["a/b.scope", "a", "", "unified/a/b.scope", "unified/a", "unified/"]);
        check("4:memory:/m\n3:cpu,cpuacct:/d\n", &["cpu,cpuacct/d", "cpu,cpuacct/", "cpu/d", "cpu/"]);
        check("2:cpuacct:/\n1:cpu:/\n", &["cpu/"]);
        check("0::/../other\n", &["", "unified/"]);
        check("0::/a:b\n", &["a:b", "", "unified/a:b", "unified/"]);
        check("no such lines\n\n1:\n", &[]);
    }

    fn write(root: &Path, file: &str, content: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// What is told of a change from `before` to 30 ms in that file.
    #[track_caller]
    fn check_change(own: &str, stat: &str, (before, after): (&str, &str), expected: Option<u64>) {
        let room = tempfile::tempdir().unwrap();
        let (proc_root, cgroup_root) = (room.path().join("proc"), room.path().join("cgroup"));
        write(&proc_root, "self/cgroup", own);
        write(&cgroup_root, stat, before);
        let throttling = Throttling::watch(&proc_root, &cgroup_root);
        write(&cgroup_root, stat, after);
        assert_eq!(throttling.so_far(), expected.map(Duration::from_micros), "{own} {stat}");
    }

    #[test]
    fn what_counts_is_the_time_of_the_run() {
        let v2 = (V2, "nr_throttled 9\nthrottled_usec 32500\n");
        check_change("0::/pod/container\n", "pod/container/cpu.stat", v2, Some(30_000));
        // The limit is the pod's.
        check_change("0::/pod/container\n", "pod/cpu.stat", v2, Some(30_000));
        // The path is the host's, the mount the container's.
        check_change("0::/docker/1234\n", "cpu.stat", v2, Some(30_000));
        check_change(
            "3:cpu,cpuacct:/a\n",
            "cpu,cpuacct/a/cpu.stat",
            (V1, "throttled_time 1600000"),
            Some(100),
        );
        check_change("3:cpu,cpuacct:/a\n", "cpu/a/cpu.stat", (V1, V1), Some(0));
        check_change("0::/a\n", "b/cpu.stat", v2, None);
        check_change("0::/a\n", "a/cpu.stat", (V2, "usage_usec 1\n"), None);
    }

    #[test]
    fn a_system_without_cgroups_tells_nothing() {
        let room = tempfile::tempdir().unwrap();
        assert_eq!(Throttling::watch(room.path(), room.path()).so_far(), None);
    }
}
