//! The program as its users meet it: arguments in; standard output, standard error, files and an exit code out.

mod arguments;
mod classify;
mod embed;
mod forms;
mod graph;
mod library;
mod models;
mod networks;
mod pictures;
mod program;
mod run;
mod search;
