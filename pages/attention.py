"""A photo, and what teacher, student and twin each look at in it."""

import hashlib
import re

import streamlit as st

from kdcore import photos
from kdcore.folders import ASSETS
from pages.parts import networks, pictures
from pages.parts.attention_compare import Look, attention_compare
from pages.parts.networks import GRAD_CAM, Choice, Inspection, Trio
from pages.parts.photo_strip import Thumbnail, photo_strip

FITTING, SINGLY = "fitting", "singly"
COMMON, OWN = "common", "own"
