//! Who asks: clients of one kind, or each arrival's own.

use super::{BudgetRule, ClientModel, ClientModels, OnFailure};
use downpour_core::agent::ClientKind;
use downpour_core::units::Factor;

/// The models of a run's clients.
///
/// ```
/// use downpour_load::client::{ClientMix, ClientModels};
/// use downpour_core::agent::ClientKind;
///
/// let mixed = ClientMix::by_agent(&ClientModels::built_in());
/// let pip = ClientKind::of(b"pip/25.0 {}");
/// assert_eq!(mixed.model(pip).name, "pip");
/// assert_eq!(mixed.model(ClientKind::NONE).attempts.get(), 1);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ClientMix(MixMembers);

#[derive(Clone, Debug, PartialEq)]
enum MixMembers {
    Uniform(Box<ClientModel>),
    /// By the place of their kind.
    ByAgent(Vec<ClientModel>),
}

impl ClientMix {
    /// All clients follow this model.
    pub fn of(model: ClientModel) -> Self {
        Self(MixMembers::Uniform(Box::new(model)))
    }

    /// Each follows the model of its own kind. Models with user agents of their
    /// own are kinds, too, in their order.
    ///
    /// # Panics
    ///
    /// If a kind has no model: `models` must hold the built-in ones.
    pub fn by_agent(models: &ClientModels) -> Self {
        let model = |kind: ClientKind| models.find(kind.preset()).cloned();
        let own = models.iter().filter(|model| !model.agents.is_empty()).cloned().map(Some);
        let all = ClientKind::all().map(model).chain(own).collect::<Option<_>>();
        Self(MixMembers::ByAgent(all.expect("every kind is named for a built-in model")))
    }

    /// The model that a client of that kind follows.
    pub fn model(&self, kind: ClientKind) -> &ClientModel {
        match &self.0 {
            MixMembers::Uniform(model) => model,
            MixMembers::ByAgent(models) => &models[kind.index()],
        }
    }

    /// The same in a run that is played `factor` times as fast.
    #[must_use]
    pub fn time_scaled(&self, factor: Factor) -> Self {
        Self(match &self.0 {
            MixMembers::Uniform(model) => MixMembers::Uniform(Box::new(model.time_scaled(factor))),
            MixMembers::ByAgent(models) => {
                MixMembers::ByAgent(models.iter().map(|model| model.time_scaled(factor)).collect())
            }
        })
    }

    /// The same, each client with this budget whatever it had.
    #[must_use]
    pub fn with_budget(self, budget: BudgetRule) -> Self {
        let with = |model: ClientModel| ClientModel { budget, ..model };
        Self(match self.0 {
            MixMembers::Uniform(model) => MixMembers::Uniform(Box::new(with(*model))),
            MixMembers::ByAgent(models) => MixMembers::ByAgent(models.into_iter().map(with).collect()),
        })
    }

    /// The names of those that are told by user agents of their own, by
    /// [`ClientKind::user_defined_index`].
    pub fn own_names(&self) -> Vec<String> {
        match &self.0 {
            MixMembers::Uniform(_) => Vec::new(),
            MixMembers::ByAgent(models) => {
                models.iter().skip(ClientKind::all().count()).map(|model| model.name.clone()).collect()
            }
        }
    }

    /// Whether it makes a difference to any of them which downloads are of one
    /// session.
    pub fn knows_sessions(&self) -> bool {
        let knows = |model: &ClientModel| {
            model.on_failure == OnFailure::Abort || model.budget != BudgetRule::Unlimited
        };
        match &self.0 {
            MixMembers::Uniform(model) => knows(model),
            MixMembers::ByAgent(models) => models.iter().any(knows),
        }
    }

    /// The most attempts that one of them makes at one download.
    pub fn attempts_max(&self) -> u32 {
        match &self.0 {
            MixMembers::Uniform(model) => model.attempts_max(),
            MixMembers::ByAgent(models) => models.iter().map(ClientModel::attempts_max).max().unwrap_or(1),
        }
    }

    /// Whether clients are told apart by their kind.
    pub const fn is_mixed(&self) -> bool {
        matches!(self.0, MixMembers::ByAgent(_))
    }

    /// What it is called: the name of its model, or how clients are told.
    pub fn name(&self) -> &str {
        match &self.0 {
            MixMembers::Uniform(model) => &model.name,
            MixMembers::ByAgent(_) => "auto",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_model_of_its_name() {
        let mixed = ClientMix::by_agent(&ClientModels::built_in());
        for kind in ClientKind::all() {
            assert_eq!(mixed.model(kind).name, kind.preset());
        }
        assert_eq!((mixed.name(), mixed.is_mixed()), ("auto", true));
        let models = ClientModels::built_in();
        let alike = ClientMix::of(models.find("uv").unwrap().clone());
        let curl = ClientKind::of(b"curl/8.0");
        assert_eq!((alike.model(curl).name.as_str(), alike.is_mixed()), ("uv", false));
    }
}
