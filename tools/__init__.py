"""What the assistant can do: a file for each tool, and the toolbox with all of them in planning order."""

from tools.answer_question import ANSWER_QUESTION
from tools.edit_image import EDIT_IMAGE
from tools.generate_image import GENERATE_IMAGE
from tools.toolbox import Toolbox
from tools.undo import UNDO

TOOLS = Toolbox((GENERATE_IMAGE, ANSWER_QUESTION, EDIT_IMAGE, UNDO))
