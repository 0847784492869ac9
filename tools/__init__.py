"""The tools, in the order in which they are offered to the planner."""

from tools.answer_question import ANSWER_QUESTION
from tools.contract import Tool
from tools.edit_image import EDIT_IMAGE
from tools.generate_image import GENERATE_IMAGE
from tools.undo import UNDO

TOOLS: tuple[Tool, ...] = (GENERATE_IMAGE, ANSWER_QUESTION, EDIT_IMAGE, UNDO)
