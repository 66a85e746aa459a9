"""Import this before `tf_slim`.

TF-Slim 1.1 builds its batch norm on `tf_keras.legacy_tf_layers`; the tf_keras that fits TensorFlow 2.21 keeps that
package under another path. This gives it its old name back.
"""
import importlib
import os
import pkgutil
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')
NEW, OLD = 'tf_keras.src.legacy_tf_layers', 'tf_keras.legacy_tf_layers'


def restore_old_name():
    """Makes every module under NEW importable under OLD too."""
    package = importlib.import_module(NEW)
    sys.modules[OLD] = package
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.endswith('_test'):
            sys.modules[f'{OLD}.{module.name}'] = importlib.import_module(f'{NEW}.{module.name}')


restore_old_name()
