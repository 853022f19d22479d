"""The public names for type checkers and editors; `__init__.py` imports the same names when they are used."""

from leukolens.core.detections import Detections as Detections
from leukolens.core.errors import BundleError as BundleError
from leukolens.core.errors import DataError as DataError
from leukolens.core.errors import InputRefused as InputRefused
from leukolens.core.errors import LeukolensError as LeukolensError
from leukolens.core.errors import NothingRead as NothingRead
from leukolens.core.errors import TrainingError as TrainingError
from leukolens.core.errors import UsageError as UsageError
from leukolens.core.predictions import Predictions as Predictions
from leukolens.core.results import Box as Box
from leukolens.core.results import CellStatus as CellStatus
from leukolens.core.results import Detection as Detection
from leukolens.core.results import Prediction as Prediction
from leukolens.core.results import Refusal as Refusal
from leukolens.core.tasks import Task as Task
from leukolens.core.taxonomy import CELL_CLASSES as CELL_CLASSES
from leukolens.core.taxonomy import CellKind as CellKind
from leukolens.datasets.manifest import Manifest as Manifest
from leukolens.datasets.registry import add_dataset as add_dataset
from leukolens.datasets.registry import open_dataset as open_dataset
from leukolens.datasets.splits import Split as Split
from leukolens.datasets.splits import make_split as make_split
from leukolens.exploration.explore import Exploration as Exploration
from leukolens.exploration.explore import explore as explore
from leukolens.inference.bundles import Bundle as Bundle
from leukolens.inference.bundles import list_bundles as list_bundles
from leukolens.inference.bundles import load_bundle as load_bundle
from leukolens.inference.classify import classify as classify
from leukolens.inference.models import ClassifierModel as ClassifierModel
from leukolens.inference.models import DetectorModel as DetectorModel
from leukolens.inference.models import load as load
from leukolens.smear.cells import SmearCells as SmearCells
from leukolens.smear.count import count as count
from leukolens.smear.ranges import read_ranges as read_ranges
from leukolens.smear.results import SmearResult as SmearResult
from leukolens.training.run import evaluate as evaluate
from leukolens.training.run import export as export
from leukolens.training.run import load_recipe as load_recipe
from leukolens.training.run import train as train

__version__: str
