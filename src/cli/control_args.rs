//! The flags of the control, a second deployment that answers are compared
//! with, and what they mean together.

use super::CliError;
use super::load_args::LoadArgs;
use super::load_args::headers;
use super::prepare_run::UNCONFIRMED_RATE_MAX;
use super::target::{ConnectOverrides, Target, all_loopback};
use super::wire_args::{HttpArg, WireArgs};
use crate::engine::ControlPlan;
use clap::Args;
use downpour_core::units::{Rate, Share};
use downpour_report::Plan;
use downpour_verify::control::ControlComparison;
use http::HeaderName;

/// The share of the answers that is compared, if nothing is said: 1 %.
const SHARE_PPM: u32 = 10_000;

/// Requests a second to the control, if nothing is said. It may well be the
/// service in use.
const RATE: &str = "50/s";

/// Whom answers are compared with.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Control")]
pub(crate) struct ControlArgs {
    /// Also send a share of the requests to this deployment, and compare the
    /// answers
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub(crate) control: Option<Target>,

    /// Compare this share of the answers [default: 1%]
    #[arg(long, value_name = "SHARE", requires = "control", hide_short_help = true)]
    pub(crate) control_sample: Option<Share>,

    /// Limit the requests per second to the control [default: 50/s]
    #[arg(long, value_name = "RATE", requires = "control", hide_short_help = true)]
    pub(crate) control_rate: Option<Rate>,

    /// Compare this header field; may be repeated [default: content-type,
    /// cache-control, vary]
    ///
    /// Status and Location are always compared.
    #[arg(long, value_name = "NAME", requires = "control", hide_short_help = true)]
    pub(crate) control_header: Vec<HeaderName>,
}

impl ControlArgs {
    /// How the control is asked, if there is one. Looks its host up; connects to
    /// nobody.
    pub(super) fn plan(
        &self,
        (load, wire): (&LoadArgs, &WireArgs),
        seed: u64,
    ) -> Result<Option<ControlPlan>, CliError> {
        let Some(control) = &self.control else { return Ok(None) };
        let comparison = self.comparison()?;
        let rate = self.rate()?;
        let tls = super::tls::plan(&wire.tls, control, HttpArg::Http1)?;
        let addresses = control.look_up("--control", &ConnectOverrides::NONE)?;
        if rate.per_second_f64() > UNCONFIRMED_RATE_MAX && !load.yes && !all_loopback(&addresses) {
            return Err(CliError::Usage(format!(
                "--control-rate {rate} against {control}, which is not this machine: if you may load that host, \
                 add --yes (not needed up to {UNCONFIRMED_RATE_MAX}/s)"
            )));
        }
        Ok(Some(ControlPlan {
            comparison,
            candidate: origin_of(&load.target),
            control: origin_of(control),
            addresses,
            request_template: control.origin(headers(control, &load.headers)),
            tls,
            share: self.share(),
            seed,
            rate,
            timeout: load.timeout,
            connect_timeout: load.connect_timeout,
            max_body: wire.connection.max_body,
        }))
    }

    /// Tells in the plan what was asked for.
    pub(super) fn record_in(&self, plan: &mut Plan) {
        let Some(control) = &self.control else { return };
        plan.control = Some(control.to_string());
        plan.control_sample = Some(self.share().to_string());
        plan.control_rate = self.rate().ok().map(|rate| rate.to_string());
        let fields = self.comparison().unwrap_or_default();
        plan.control_headers = fields.fields().iter().map(ToString::to_string).collect();
    }

    fn comparison(&self) -> Result<ControlComparison, CliError> {
        if self.control_header.is_empty() {
            return Ok(ControlComparison::default());
        }
        ControlComparison::of(&self.control_header)
            .map_err(|error| CliError::Usage(format!("--control-header: {error}")))
    }

    fn share(&self) -> Share {
        self.control_sample.or(Share::from_ppm(SHARE_PPM)).unwrap_or(Share::ALL)
    }

    fn rate(&self) -> Result<Rate, CliError> {
        match self.control_rate {
            Some(rate) => Ok(rate),
            None => RATE.parse().map_err(|error| CliError::Usage(format!("--control-rate: {error}"))),
        }
    }
}

fn origin_of(target: &Target) -> String {
    target.url().origin().ascii_serialization()
}
