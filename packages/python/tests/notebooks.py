"""Executes the notebooks of a folder: notebooks.py FOLDER OUT. The executed copies go to OUT."""

import pathlib
import sys
import time

import nbformat
from nbclient import NotebookClient

folder, out = map(pathlib.Path, sys.argv[1:])
out.mkdir(parents=True, exist_ok=True)
notebooks = sorted(folder.glob("*.ipynb"))
assert notebooks, f"no notebooks in {folder}"
for path in notebooks:
    started = time.monotonic()
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    nbformat.write(notebook, out / path.name)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = sum("data:image/jpeg" in output.get("data", {}).get("text/html", "") for output in outputs)
    assert pictures >= 2, f"{path.name} shows {pictures} pictures"
    print(f"{path.name}: {len(outputs)} outputs, {pictures} with pictures, {time.monotonic() - started:.1f} s")
