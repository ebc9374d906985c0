from .comparison import (
    RuleComparison as RuleComparison, comparison_facts as comparison_facts,
    comparison_words as comparison_words,
)
from .drawing import ReplayDrawing as ReplayDrawing
from .lines import (
    closing as closing, fact_line as fact_line, heading as heading,
    incident_words as incident_words, step_lines as step_lines,
)
from .replay import Replay as Replay, ReplayStep as ReplayStep, RuleStep as RuleStep
from .why import (
    QuestionError as QuestionError, WhyAnswer as WhyAnswer, WhyAnswers as WhyAnswers,
    WhyQuestion as WhyQuestion, why_facts as why_facts, why_row as why_row, why_words as why_words,
)
