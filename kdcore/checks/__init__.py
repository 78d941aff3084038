"""What is refused before a run, and why: settings that do not fit, and a teacher that is not worth learning from.

preflight       names, counts and headers only; loads no torch
teacher_check   the teacher on a few hundred images: predictions -> criteria -> findings
"""
