from .analysis import AnalysedFrame as AnalysedFrame, analyse as analyse
