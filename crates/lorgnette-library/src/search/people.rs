//! Queries of people, of whom the classes of most models know a few kinds alone.

use lorgnette::wordnet;

use crate::error::Result;
use crate::hierarchy::Vocabulary;
use crate::library::Library;
use crate::query::Query;

/// The synset of persons.
const PERSON: &str = "n00007846";

/// From so many kinds on a model knows people.
const MANY_KINDS: usize = 10;

impl Library {
    /// Returns the kinds of people that the models know, or the model of this id, if the query asks
    /// for people and these are few: "no people" finds nearly all photos with people then.
    /// `vocabulary` is that of the same models.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn few_kinds_of_people(
        &self,
        query: &Query,
        vocabulary: &Vocabulary,
        model: Option<i64>,
    ) -> Result<Option<Vec<String>>> {
        let names = query.objects().into_iter().map(|object| &object.name.text);
        let Some(asked) = names.into_iter().find(|name| is_people(name)) else { return Ok(None) };
        let known = vocabulary.find(asked).unwrap_or_default();
        let classes = self.class_list(model)?;
        let kinds = classes.iter().filter(|class| known.contains(&class.id));
        // A class of one's own that is called so is what was asked for.
        if known.len() >= MANY_KINDS || kinds.clone().any(|class| class.synset.is_none()) {
            return Ok(None);
        }
        let first_name = |name: &str| name.split(',').next().unwrap_or_default().to_owned();
        Ok(Some(kinds.map(|class| first_name(&class.name)).collect()))
    }
}

fn is_people(name: &str) -> bool {
    let mut forms = wordnet::singulars(name).into_iter().chain([name.to_owned()]);
    forms.any(|form| wordnet::synsets_named(&form).contains(&PERSON))
}
