"""Which model pack is in use, switches to another, licences, and photos that a pack can not use.

A threshold that a watchlist has so far means similarities of `compact-1`, the only pack there was.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


TRIGGER = (
    "CREATE TRIGGER raise_revision AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON recognition_packinuse"
    " FOR EACH STATEMENT EXECUTE FUNCTION recognition_raise_revision();"
)


def name_packs_of_thresholds(apps, schema_editor):
    watchlists = apps.get_model("recognition", "Watchlist").objects.exclude(threshold=None)
    watchlists.update(threshold_pack="compact-1")
    # What waits for the end of the transaction would forbid to change the table further.
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):

    dependencies = [
        ('recognition', '0002_gallery_revision'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='PackInUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80)),
                ('version', models.CharField(max_length=80)),
                ('since', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name_plural': 'packs in use',
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('id', 1)), name='only_one_pack_in_use'),
                ],
            },
        ),
        migrations.CreateModel(
            name='PackLicence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, unique=True)),
                ('licence', models.CharField(max_length=200)),
                ('accepted_name', models.CharField(help_text='Who accepted it, also after the account is gone.', max_length=200)),
                ('accepted_at', models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name='PackSwitch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80)),
                ('version', models.CharField(max_length=80)),
                ('before', models.CharField(help_text='The version that was in use when it was asked for.', max_length=80)),
                ('accepts_losses', models.BooleanField(default=False, help_text='Somebody agreed that people whom the new pack can not find are left out.')),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('embedding', 'Embedding'), ('held', 'Waiting for a decision'), ('done', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='waiting', max_length=20)),
                ('total', models.PositiveIntegerField(default=0)),
                ('done', models.PositiveIntegerField(default=0)),
                ('failed', models.PositiveIntegerField(default=0, help_text='Photos in which the new pack finds no face.')),
                ('why', models.TextField(blank=True, help_text='Why it failed, for people.')),
                ('asked_at', models.DateTimeField(auto_now_add=True)),
                ('heartbeat_at', models.DateTimeField(editable=False, null=True)),
                ('finished_at', models.DateTimeField(editable=False, null=True)),
            ],
            options={
                'verbose_name_plural': 'pack switches',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='UnusablePhoto',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('pack', models.CharField(max_length=80)),
                ('why', models.CharField(max_length=500)),
            ],
        ),
        migrations.AddField(
            model_name='watchlist',
            name='threshold_pack',
            field=models.CharField(blank=True, editable=False, help_text='The version of the pack whose similarities the threshold means; with another it has no effect.', max_length=80),
        ),
        migrations.AlterField(
            model_name='template',
            name='pack',
            field=models.CharField(db_index=True, max_length=80),
        ),
        migrations.AddConstraint(
            model_name='template',
            constraint=models.UniqueConstraint(fields=('photo', 'pack'), name='one_template_a_pack'),
        ),
        migrations.AddField(
            model_name='packlicence',
            name='accepted_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='packswitch',
            name='asked_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='unusablephoto',
            name='photo',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='unusable', to='recognition.photo'),
        ),
        migrations.AddConstraint(
            model_name='packswitch',
            constraint=models.UniqueConstraint(models.Value(1), condition=models.Q(('state__in', ['waiting', 'embedding', 'held'])), name='one_switch_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='unusablephoto',
            constraint=models.UniqueConstraint(fields=('photo', 'pack'), name='one_reason_a_pack'),
        ),
        migrations.RunPython(name_packs_of_thresholds, migrations.RunPython.noop),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER raise_revision ON recognition_packinuse;"),
    ]
