"""Many runs on many machines: Ray places them, Optuna chooses what to try. Both are optional; see docs/scale.md.

RayRuns     trains runs on the workers of a Ray cluster; their files arrive in this machine's store while they train
search      chooses the settings of one trial after another from the validation accuracy of those before
"""
