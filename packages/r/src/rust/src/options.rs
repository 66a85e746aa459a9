//! Options: R's named lists, whose items the R functions have checked. `NULL` is the default.

use std::str::FromStr;

use savvy::{ListSexp, Sexp, StringSexp};

use crate::error::Failure;

/// A named list of options.
pub(crate) struct Options(ListSexp);

impl Options {
    /// Wraps a list.
    pub(crate) fn new(list: ListSexp) -> Self {
        Self(list)
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> savvy::Result<Option<&'static str>> {
        self.typed(name, <&'static str>::try_from)
    }

    /// A text that names one of `T`'s values; `None` if it is `NULL`.
    pub(crate) fn parsed<T>(&self, name: &str) -> savvy::Result<Option<T>>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(Failure::new(format!("{error}")).into()),
        }
    }

    /// Texts; none if it is `NULL`.
    pub(crate) fn texts(&self, name: &str) -> savvy::Result<Vec<String>> {
        let texts = self.typed(name, StringSexp::try_from)?;
        Ok(texts.map_or_else(Vec::new, |texts| texts.iter().map(str::to_owned).collect()))
    }

    /// A number.
    pub(crate) fn number(&self, name: &str) -> savvy::Result<Option<f64>> {
        self.typed(name, f64::try_from)
    }

    /// Numbers; none if it is `NULL`.
    pub(crate) fn numbers(&self, name: &str) -> savvy::Result<Vec<f64>> {
        let numbers = self.typed(name, savvy::RealSexp::try_from)?;
        Ok(numbers.map_or_else(Vec::new, |numbers| numbers.to_vec()))
    }

    /// A whole number, at least 0.
    pub(crate) fn count(&self, name: &str) -> savvy::Result<Option<usize>> {
        Ok(self.number(name)?.map(|number| number as usize))
    }

    /// A truth value; false if it is `NULL`.
    pub(crate) fn flag(&self, name: &str) -> savvy::Result<bool> {
        Ok(self.typed(name, bool::try_from)?.unwrap_or(false))
    }

    fn typed<T>(
        &self,
        name: &str,
        convert: impl Fn(Sexp) -> savvy::Result<T>,
    ) -> savvy::Result<Option<T>> {
        match self.0.get(name) {
            Some(value) if !value.is_null() => {
                convert(value).map(Some).map_err(|error| error.with_arg_name(name))
            }
            _ => Ok(None),
        }
    }
}
