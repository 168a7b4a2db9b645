//! The modelled service of a simulated run, in words.

use super::format::{TextPage, counted, micros, safe, seconds, whole};
use crate::RunReport;
use downpour_core::units::grouped;

pub(super) fn write(report: &RunReport, page: &mut TextPage) {
    let Some(model) = &report.plan.simulated else { return };
    page.heading("Service (modelled)");
    let servers = model.servers.map_or_else(|| "any number of servers".to_owned(), |n| counted(n, "server"));
    let mut does = vec![servers, safe(&model.service_time)];
    if model.servers.is_some() {
        does.push(format!("a queue of {}", grouped(model.queue)));
        does.push(format!("abandoned requests are {}", safe(&model.abandoned)));
    }
    page.item("serves", &does.join(", "));
    let trip = format!("round trip {}", micros(whole(model.round_trip_s * 1e6)));
    let timeout = seconds(report.plan.timeout_s);
    page.item(
        "clients",
        &format!("{trip}, lookup {}, timeout {timeout}", micros(whole(model.lookup_s * 1e6))),
    );
    page.item(
        "retries",
        &model.retry_budget.as_ref().map_or_else(
            || "as the client model says".to_owned(),
            |share| format!("at most {} of each client's first attempts", safe(share)),
        ),
    );
    let wrong: Vec<_> = model
        .capacity_drops
        .iter()
        .map(|drop| format!("less capacity {}", safe(drop)))
        .chain(model.faults.iter().map(|fault| safe(fault)))
        .collect();
    page.item("faults", &if wrong.is_empty() { "none planned".to_owned() } else { wrong.join(", ") });
    let connections = &report.connections;
    page.item(
        "peak",
        &format!(
            "{} in flight, {} in the queue (sampled each second)",
            grouped(connections.in_flight_max),
            grouped(connections.waiting_max)
        ),
    );
}
