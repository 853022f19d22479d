"""`leukolens train`: from a recipe and a dataset to a run folder."""

from pathlib import Path

import click


@click.command(
    "train",
    epilog="Example: leukolens train recipes/pbc.toml --data pbc --split pbc-split.json --out runs/pbc",
)
@click.argument("recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--data", "data_name", required=True, metavar="NAME", help="Dataset to train on; see `leukolens data list`."
)
@click.option(
    "--split",
    "split_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A split FILE, as `leukolens data split` writes it. Default: the split that the dataset came with, else a grouped one of 64/16/20. For classifiers; a detector's split is drawn from its recipe's datasets.",
    metavar="FILE",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The run folder.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one value of the recipe, e.g. optimiser.batch_size=32.",
)
@click.option(
    "--search",
    "trials",
    type=click.IntRange(1),
    metavar="N",
    help="First try N recipes around this one on validation (Optuna), then train the best. A search that was killed goes on if the same command is given again. For classifiers.",
)
@click.option("--resume", is_flag=True, help="Go on from the last finished epoch.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
def command(
    recipe: Path,
    data_name: str,
    split_path: Path | None,
    out: Path,
    overrides: tuple[str, ...],
    trials: int | None,
    resume: bool,
    force: bool,
) -> None:
    """Train a classifier or a detector by a recipe. Writes one run folder.

    It holds checkpoints, history, curves and predictions.
    """
    from leukolens.core.files import require_absent
    from leukolens.training.run import load_recipe, train
    from leukolens.training.task import Reporter

    if not resume and not (trials and (out / "search.db").is_file()):
        require_absent(out, force)
    chosen = load_recipe(recipe, overrides)
    reporter = Reporter(show_progress, lambda line: click.echo(line, err=True))
    run = train(chosen, data_name, out=out, split=split_path, resume=resume, search=trials or 0, reporter=reporter)
    click.echo(f"{run.path}: the run is finished. Next: leukolens export {run.path} --out {out.name}-bundle", err=True)


def show_progress(what: str, done: int, total: int) -> None:
    """Says on stderr how far a preparation is, each 500 images and at its end."""
    if done == total or done % 500 == 0:
        click.echo(f"\r{what}: {done} of {total} images", nl=done == total, err=True)
