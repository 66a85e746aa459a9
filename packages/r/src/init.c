
// clang-format sorts includes unless SortIncludes: Never. However, the ordering
// does matter here. So, we need to disable clang-format for safety.

// clang-format off
#include <stdint.h>
#include <Rinternals.h>
#include <R_ext/Parse.h>
// clang-format on

#include "rust/api.h"

static uintptr_t TAGGED_POINTER_MASK = (uintptr_t)1;

SEXP handle_result(SEXP res_) {
    uintptr_t res = (uintptr_t)res_;

    // An error is indicated by tag.
    if ((res & TAGGED_POINTER_MASK) == 1) {
        // Remove tag
        SEXP res_aligned = (SEXP)(res & ~TAGGED_POINTER_MASK);

        // Currently, there are two types of error cases:
        //
        //   1. Error from Rust code
        //   2. Error from R's C API, which is caught by R_UnwindProtect()
        //
        if (TYPEOF(res_aligned) == CHARSXP) {
            // In case 1, the result is an error message that can be passed to
            // Rf_errorcall() directly.
            Rf_errorcall(R_NilValue, "%s", CHAR(res_aligned));
        } else {
            // In case 2, the result is the token to restart the
            // cleanup process on R's side.
            R_ContinueUnwind(res_aligned);
        }
    }

    return (SEXP)res;
}

SEXP savvy_annotate_photo__impl(SEXP c_arg__photo, SEXP c_arg__names, SEXP c_arg__probabilities, SEXP c_arg__below) {
    SEXP res = savvy_annotate_photo__ffi(c_arg__photo, c_arg__names, c_arg__probabilities, c_arg__below);
    return handle_result(res);
}

SEXP savvy_decode_photo__impl(SEXP c_arg__photo, SEXP c_arg__ignore_orientation) {
    SEXP res = savvy_decode_photo__ffi(c_arg__photo, c_arg__ignore_orientation);
    return handle_result(res);
}

SEXP savvy_evaluate_model__impl(SEXP c_arg__model, SEXP c_arg__photos, SEXP c_arg__options, SEXP c_arg__progress) {
    SEXP res = savvy_evaluate_model__ffi(c_arg__model, c_arg__photos, c_arg__options, c_arg__progress);
    return handle_result(res);
}

SEXP savvy_find_photos__impl(SEXP c_arg__folders) {
    SEXP res = savvy_find_photos__ffi(c_arg__folders);
    return handle_result(res);
}

SEXP savvy_index_photos__impl(SEXP c_arg__path, SEXP c_arg__folders, SEXP c_arg__model, SEXP c_arg__options, SEXP c_arg__progress) {
    SEXP res = savvy_index_photos__ffi(c_arg__path, c_arg__folders, c_arg__model, c_arg__options, c_arg__progress);
    return handle_result(res);
}

SEXP savvy_open_library__impl(SEXP c_arg__path, SEXP c_arg__create) {
    SEXP res = savvy_open_library__ffi(c_arg__path, c_arg__create);
    return handle_result(res);
}

SEXP savvy_resize_photo__impl(SEXP c_arg__photo, SEXP c_arg__height, SEXP c_arg__width) {
    SEXP res = savvy_resize_photo__ffi(c_arg__photo, c_arg__height, c_arg__width);
    return handle_result(res);
}

SEXP savvy_save_photo__impl(SEXP c_arg__photo, SEXP c_arg__path) {
    SEXP res = savvy_save_photo__ffi(c_arg__photo, c_arg__path);
    return handle_result(res);
}

SEXP savvy_search_photos__impl(SEXP c_arg__path, SEXP c_arg__query, SEXP c_arg__options) {
    SEXP res = savvy_search_photos__ffi(c_arg__path, c_arg__query, c_arg__options);
    return handle_result(res);
}

SEXP savvy_train_model__impl(SEXP c_arg__model, SEXP c_arg__options, SEXP c_arg__progress) {
    SEXP res = savvy_train_model__ffi(c_arg__model, c_arg__options, c_arg__progress);
    return handle_result(res);
}

SEXP savvy_write_random_checkpoint__impl(SEXP c_arg__net, SEXP c_arg__path) {
    SEXP res = savvy_write_random_checkpoint__ffi(c_arg__net, c_arg__path);
    return handle_result(res);
}

SEXP savvy_Model_blur__impl(SEXP self__, SEXP c_arg__photo, SEXP c_arg__options, SEXP c_arg__progress) {
    SEXP res = savvy_Model_blur__ffi(self__, c_arg__photo, c_arg__options, c_arg__progress);
    return handle_result(res);
}

SEXP savvy_Model_classify__impl(SEXP self__, SEXP c_arg__photos, SEXP c_arg__options, SEXP c_arg__progress) {
    SEXP res = savvy_Model_classify__ffi(self__, c_arg__photos, c_arg__options, c_arg__progress);
    return handle_result(res);
}

SEXP savvy_Model_embed__impl(SEXP self__, SEXP c_arg__photos, SEXP c_arg__options, SEXP c_arg__progress) {
    SEXP res = savvy_Model_embed__ffi(self__, c_arg__photos, c_arg__options, c_arg__progress);
    return handle_result(res);
}

SEXP savvy_Model_export__impl(SEXP self__, SEXP c_arg__path, SEXP c_arg__format, SEXP c_arg__replace_labels) {
    SEXP res = savvy_Model_export__ffi(self__, c_arg__path, c_arg__format, c_arg__replace_labels);
    return handle_result(res);
}

SEXP savvy_Model_faces__impl(SEXP self__, SEXP c_arg__photos, SEXP c_arg__options, SEXP c_arg__progress) {
    SEXP res = savvy_Model_faces__ffi(self__, c_arg__photos, c_arg__options, c_arg__progress);
    return handle_result(res);
}

SEXP savvy_Model_facts__impl(SEXP self__) {
    SEXP res = savvy_Model_facts__ffi(self__);
    return handle_result(res);
}

SEXP savvy_Model_input__impl(SEXP self__, SEXP c_arg__photo, SEXP c_arg__options) {
    SEXP res = savvy_Model_input__ffi(self__, c_arg__photo, c_arg__options);
    return handle_result(res);
}

SEXP savvy_Model_input_image__impl(SEXP self__, SEXP c_arg__photo, SEXP c_arg__options) {
    SEXP res = savvy_Model_input_image__ffi(self__, c_arg__photo, c_arg__options);
    return handle_result(res);
}

SEXP savvy_Model_labels__impl(SEXP self__) {
    SEXP res = savvy_Model_labels__ffi(self__);
    return handle_result(res);
}

SEXP savvy_Model_map__impl(SEXP self__, SEXP c_arg__photo, SEXP c_arg__options, SEXP c_arg__progress) {
    SEXP res = savvy_Model_map__ffi(self__, c_arg__photo, c_arg__options, c_arg__progress);
    return handle_result(res);
}

SEXP savvy_Model_new__impl(SEXP c_arg__options, SEXP c_arg__name) {
    SEXP res = savvy_Model_new__ffi(c_arg__options, c_arg__name);
    return handle_result(res);
}

SEXP savvy_Model_nodes__impl(SEXP self__) {
    SEXP res = savvy_Model_nodes__ffi(self__);
    return handle_result(res);
}

SEXP savvy_Model_run__impl(SEXP self__, SEXP c_arg__feeds, SEXP c_arg__fetches) {
    SEXP res = savvy_Model_run__ffi(self__, c_arg__feeds, c_arg__fetches);
    return handle_result(res);
}

SEXP savvy_Model_write_graph__impl(SEXP self__, SEXP c_arg__logdir) {
    SEXP res = savvy_Model_write_graph__ffi(self__, c_arg__logdir);
    return handle_result(res);
}

SEXP savvy_PhotoMap_drawing__impl(SEXP self__, SEXP c_arg__over_photo) {
    SEXP res = savvy_PhotoMap_drawing__ffi(self__, c_arg__over_photo);
    return handle_result(res);
}

SEXP savvy_PhotoMap_facts__impl(SEXP self__) {
    SEXP res = savvy_PhotoMap_facts__ffi(self__);
    return handle_result(res);
}

SEXP savvy_PhotoMap_heat__impl(SEXP self__, SEXP c_arg__class) {
    SEXP res = savvy_PhotoMap_heat__ffi(self__, c_arg__class);
    return handle_result(res);
}

SEXP savvy_PhotoMap_probabilities__impl(SEXP self__) {
    SEXP res = savvy_PhotoMap_probabilities__ffi(self__);
    return handle_result(res);
}


static const R_CallMethodDef CallEntries[] = {
    {"savvy_annotate_photo__impl", (DL_FUNC) &savvy_annotate_photo__impl, 4},
    {"savvy_decode_photo__impl", (DL_FUNC) &savvy_decode_photo__impl, 2},
    {"savvy_evaluate_model__impl", (DL_FUNC) &savvy_evaluate_model__impl, 4},
    {"savvy_find_photos__impl", (DL_FUNC) &savvy_find_photos__impl, 1},
    {"savvy_index_photos__impl", (DL_FUNC) &savvy_index_photos__impl, 5},
    {"savvy_open_library__impl", (DL_FUNC) &savvy_open_library__impl, 2},
    {"savvy_resize_photo__impl", (DL_FUNC) &savvy_resize_photo__impl, 3},
    {"savvy_save_photo__impl", (DL_FUNC) &savvy_save_photo__impl, 2},
    {"savvy_search_photos__impl", (DL_FUNC) &savvy_search_photos__impl, 3},
    {"savvy_train_model__impl", (DL_FUNC) &savvy_train_model__impl, 3},
    {"savvy_write_random_checkpoint__impl", (DL_FUNC) &savvy_write_random_checkpoint__impl, 2},
    {"savvy_Model_blur__impl", (DL_FUNC) &savvy_Model_blur__impl, 4},
    {"savvy_Model_classify__impl", (DL_FUNC) &savvy_Model_classify__impl, 4},
    {"savvy_Model_embed__impl", (DL_FUNC) &savvy_Model_embed__impl, 4},
    {"savvy_Model_export__impl", (DL_FUNC) &savvy_Model_export__impl, 4},
    {"savvy_Model_faces__impl", (DL_FUNC) &savvy_Model_faces__impl, 4},
    {"savvy_Model_facts__impl", (DL_FUNC) &savvy_Model_facts__impl, 1},
    {"savvy_Model_input__impl", (DL_FUNC) &savvy_Model_input__impl, 3},
    {"savvy_Model_input_image__impl", (DL_FUNC) &savvy_Model_input_image__impl, 3},
    {"savvy_Model_labels__impl", (DL_FUNC) &savvy_Model_labels__impl, 1},
    {"savvy_Model_map__impl", (DL_FUNC) &savvy_Model_map__impl, 4},
    {"savvy_Model_new__impl", (DL_FUNC) &savvy_Model_new__impl, 2},
    {"savvy_Model_nodes__impl", (DL_FUNC) &savvy_Model_nodes__impl, 1},
    {"savvy_Model_run__impl", (DL_FUNC) &savvy_Model_run__impl, 3},
    {"savvy_Model_write_graph__impl", (DL_FUNC) &savvy_Model_write_graph__impl, 2},
    {"savvy_PhotoMap_drawing__impl", (DL_FUNC) &savvy_PhotoMap_drawing__impl, 2},
    {"savvy_PhotoMap_facts__impl", (DL_FUNC) &savvy_PhotoMap_facts__impl, 1},
    {"savvy_PhotoMap_heat__impl", (DL_FUNC) &savvy_PhotoMap_heat__impl, 2},
    {"savvy_PhotoMap_probabilities__impl", (DL_FUNC) &savvy_PhotoMap_probabilities__impl, 1},
    {NULL, NULL, 0}
};

void R_init_lorgnette(DllInfo *dll) {
    R_registerRoutines(dll, NULL, CallEntries, NULL, NULL);
    R_useDynamicSymbols(dll, FALSE);

    // Functions for initialization, if any.

}
